-- Receipts of which Dynamics 365 shows something as settled.
with receipts as (
    select receipts.*
    from {{ ref('fct_receipts') }} as receipts
    inner join {{ source('config', 'systems') }} as systems
        on receipts.system_id = systems.system_id
    where receipts.booked_item_key is not null and systems.kind = 'dynamics365_finance'
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
    items.accounting_document as payment_document,
    cast(null as varchar) as lines,
    items.accounting_document as native_id
from receipts
inner join items on receipts.booked_item_key = items.item_key
