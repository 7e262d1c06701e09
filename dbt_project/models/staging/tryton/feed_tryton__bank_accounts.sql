-- Empty: parties' bank accounts are a module of Tryton (bank) that is not read.
select
    cast(null as varchar) as system_id,
    cast(null as varchar) as customer,
    cast(null as varchar) as account,
    cast(null as date) as valid_from,
    cast(null as date) as valid_to
where false
