-- Refunds that people agreed to, and what the bank took back of receipts that paid nothing, against
-- the receipt that goes back: two open items of one customer that close each other. A refund that
-- is still to be posted is waited for.
with refunds as (
    select
        system_id,
        business_key as receipt_id,
        '-refund' as suffix,
        external_key,
        payload ->> '$.customer' as customer,
        state = 'verified' as is_posted
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'refunds'
        and kind = 'sap_s4hana'
        and state not in ('awaiting_approval', 'rejected', 'dead', 'superseded', 'void')
    union all
    select
        system_id,
        payload ->> '$.receipt_key' as receipt_id,
        '-returned' as suffix,
        external_key,
        payload ->> '$.customer' as customer,
        true as is_posted
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'returned_payments'
        and kind = 'sap_s4hana'
        and state = 'verified'
        and (payload ->> '$.lines') is null
),

receipts as (
    select * from {{ ref('fct_receipts') }}
),

items as (
    select * from {{ ref('int_open_items_keyed') }}
    where not coalesce(is_cleared_now, false)
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    receipts.system_id,
    receipts.receipt_id || refunds.suffix as object_key,
    receipts.company_code,
    refunds.customer,
    receipts.currency_code,
    {{ date_text('receipts.as_of_date') }} as posting_date,
    refunded.fiscal_year as receipt_fiscal_year,
    refunded.accounting_document as receipt_document,
    refunded.accounting_document_item as receipt_item,
    '[' || cast(to_json({
        'item_key': received.item_key,
        'fiscal_year': received.fiscal_year,
        'document': received.accounting_document,
        'item': received.accounting_document_item,
        'amount': {{ money_text('received.amount_original') }}
    }) as varchar) || ']' as lines,
    receipts.correlation_id as ctx_correlation_id,
    receipts.system_id || '/' || receipts.company_code || '/' || refunds.customer as ctx_lane,
    received.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    receipts.company_code as ctx_company_code,
    received.accounting_document as ctx_document,
    receipts.amount as ctx_amount,
    receipts.currency_code as ctx_currency_code,
    if(refunds.is_posted, null, receipts.receipt_id) as ctx_after_key
from refunds
inner join receipts
    on refunds.system_id = receipts.system_id and refunds.receipt_id = receipts.receipt_id
inner join items as received
    on receipts.booked_item_key = received.item_key and refunds.customer = received.customer
left join items as refunded
    on
        refunds.system_id = refunded.system_id
        and refunds.external_key = refunded.external_key
        and received.customer_id = refunded.customer_id
        and received.amount_original = -refunded.amount_original
left join customers on received.customer_id = customers.customer_id
where refunded.item_key is not null or not refunds.is_posted
