-- Receipts that the ERP holds, as its items show them. What the view of items does not carry (value
-- date, bank account) is null: a posting is compared by its key, its fields by the read-back.
with receipts as (
    select * from {{ ref('fct_receipts') }}
    where booked_by = 'hub'
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
    {{ date_text('items.document_date') }} as document_date,
    cast(null as varchar) as value_date,
    cast(null as varchar) as bank_gl_account,
    items.bank_reference,
    items.item_text,
    items.company_code || '/' || items.fiscal_year || '/' || items.accounting_document as native_id
from receipts
inner join items on receipts.booked_item_key = items.item_key
