-- SAP clears whole items and makes a new item of what is left: no part of an item is ever applied.
select
    cast(null as varchar) as system_id,
    cast(null as varchar) as company_code,
    cast(null as varchar) as fiscal_year,
    cast(null as varchar) as accounting_document,
    cast(null as varchar) as accounting_document_item,
    cast(null as date) as applied_date,
    cast(null as decimal(28, 6)) as amount,
    cast(null as decimal(28, 6)) as amount_company,
    cast(null as varchar) as applying_document
where false
