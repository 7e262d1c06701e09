with items as (
    select * from {{ ref('fct_open_items') }}
    where is_cleared
)

select
    item_key,
    system_id,
    company_code,
    customer_id,
    item_class,
    clearing_fiscal_year,
    clearing_document,
    clearing_date as applied_date,
    amount_applied,
    currency_code,
    amount_original_company as amount_applied_company,
    company_currency_code
from items
