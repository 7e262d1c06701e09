-- Workday Financial Management has no sales order that a credit check holds: nothing to release.
select
    cast(null as varchar) as system_id,
    cast(null as varchar) as company_code,
    cast(null as varchar) as sales_order,
    cast(null as varchar) as customer,
    cast(null as date) as requested_date,
    cast(null as date) as order_date,
    cast(null as decimal(28, 6)) as amount,
    cast(null as varchar) as currency_code,
    cast(null as boolean) as is_credit_blocked,
    cast(null as boolean) as is_open,
    cast(null as varchar) as other_block
where false
