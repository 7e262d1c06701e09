-- Receipts that Workday holds as the hub's own payments.
with systems as (
    select system_id from {{ source('config', 'systems') }}
    where kind = 'workday'
),

receipts as (
    select * from {{ ref('fct_receipts') }}
    where booked_by = 'hub' and system_id in (select systems.system_id from systems)
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
    items.bank_reference,
    items.item_text,
    lower(items.accounting_document) as native_id
from receipts
inner join items on receipts.booked_item_key = items.item_key
