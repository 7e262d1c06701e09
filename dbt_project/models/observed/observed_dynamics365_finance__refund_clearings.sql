-- Debits of refunds and returned payments that Dynamics 365 holds as settled.
with debits as (
    select
        system_id,
        external_key,
        coalesce(payload ->> '$.receipt_key', business_key) as receipt_id,
        if(object_name = 'refunds', '-refund', '-returned') as suffix
    from {{ source('ledger', 'commands') }}
    where
        object_name in ('refunds', 'returned_payments')
        and kind = 'dynamics365_finance'
        and coalesce(external_key, '') <> ''
),

items as (
    select * from {{ ref('fct_open_items') }}
    where is_cleared and amount_original > 0
),

-- A payment that is made again settles what a return had opened: that is no clearing of ours.
receipts as (
    select * from {{ ref('fct_receipts') }}
)

select
    items.system_id,
    debits.receipt_id || debits.suffix as object_key,
    items.company_code,
    items.customer,
    items.currency_code,
    {{ date_text('min(items.clearing_date)') }} as posting_date,
    receipts.booked_document as payment_document,
    cast(null as varchar) as lines,
    min(items.accounting_document) as native_id
from debits
inner join items
    on debits.system_id = items.system_id and debits.external_key = items.external_key
inner join receipts
    on
        debits.system_id = receipts.system_id
        and debits.receipt_id = receipts.receipt_id
        and items.clearing_document = receipts.booked_document
group by all
