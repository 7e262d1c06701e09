-- Receipts of which Tryton shows something as applied.
with receipts as (
    select receipts.*
    from {{ ref('fct_receipts') }} as receipts
    inner join {{ source('config', 'systems') }} as systems
        on receipts.system_id = systems.system_id
    where receipts.booked_item_key is not null and systems.kind = 'tryton'
),

items as (
    select * from {{ ref('int_erp_receipts_keyed') }}
    where amount_applied > 0
)

select
    receipts.system_id,
    receipts.receipt_id as object_key,
    items.company_code,
    items.customer,
    items.currency_code,
    cast(null as varchar) as posting_date,
    items.fiscal_year as receipt_fiscal_year,
    items.accounting_document as receipt_document,
    items.accounting_document_item as receipt_item,
    cast(null as varchar) as lines,
    items.accounting_document as native_id
from receipts
inner join items on receipts.booked_item_key = items.item_key
