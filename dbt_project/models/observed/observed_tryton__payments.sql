-- Receipts of the hub that Tryton holds. The bank's line, with account and days, is not read here.
with receipts as (
    select receipts.*
    from {{ ref('fct_receipts') }} as receipts
    inner join {{ source('config', 'systems') }} as systems
        on receipts.system_id = systems.system_id
    where receipts.booked_by = 'hub' and systems.kind = 'tryton'
),

items as (
    select * from {{ ref('int_erp_receipts_keyed') }}
)

select
    receipts.system_id,
    receipts.receipt_id as object_key,
    items.company_code,
    if(items.is_unidentified, 'unidentified', 'customer') as posting_kind,
    items.customer,
    {{ money_text('items.amount') }} as amount,
    items.currency_code,
    {{ date_text('items.posting_date') }} as posting_date,
    cast(null as varchar) as document_date,
    cast(null as varchar) as value_date,
    cast(null as varchar) as bank_gl_account,
    items.bank_reference,
    items.item_text,
    items.accounting_document as native_id
from receipts
inner join items on receipts.booked_item_key = items.item_key
