-- Lines of the unidentified account that the ERP holds as cleared after their receipt moved.
with items as (
    select * from {{ ref('int_receipts_booked_by_hub') }}
    where is_unidentified and is_cleared_now and not is_reversed
),

gl_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
)

select
    items.system_id,
    items.receipt_id as object_key,
    items.company_code,
    gl_accounts.gl_account,
    items.currency_code,
    {{ date_text('items.clearing_date') }} as posting_date,
    cast(null as varchar) as receipt_fiscal_year,
    cast(null as varchar) as receipt_document,
    cast(null as varchar) as receipt_item,
    cast(null as varchar) as lines,
    items.company_code || '/' || items.clearing_fiscal_year || '/' || items.clearing_document
        as native_id
from items
inner join gl_accounts on items.system_id = gl_accounts.system_id
