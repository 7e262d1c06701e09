-- Receipts that went back, against the debit that gives them back: of a refund, and of a return of
-- what stood on account. Wanted once both are posted and wholly open; `apply learned` of the same
-- run then settles them.
with debits as (
    select
        system_id,
        external_key,
        coalesce(payload ->> '$.receipt_key', business_key) as receipt_id,
        if(object_name = 'refunds', '-refund', '-returned') as suffix,
        if(object_name = 'returned_payments', payload ->> '$.bank_reference', null) as number
    from {{ source('ledger', 'commands') }}
    where
        object_name in ('refunds', 'returned_payments')
        and kind = 'dynamics365_finance'
        and coalesce(external_key, '') <> ''
),

receipts as (
    select * from {{ ref('fct_receipts') }}
),

items as (
    select * from {{ ref('fct_open_items') }}
    where not is_cleared
),

customers as (
    select * from {{ ref('dim_customers') }}
),

pairs as (
    select
        receipts.receipt_id,
        receipts.correlation_id,
        debits.suffix,
        received.accounting_document as payment_document,
        debited.*
    from debits
    inner join receipts
        on debits.system_id = receipts.system_id and debits.receipt_id = receipts.receipt_id
    inner join items as received on receipts.booked_item_key = received.item_key
    inner join items as debited
        on
            debits.system_id = debited.system_id
            and debits.external_key = debited.external_key
            and received.customer_id = debited.customer_id
            and received.amount_open = -debited.amount_open
            and coalesce(debits.number = debited.invoice_number, true)
    qualify
        row_number() over (
            partition by receipts.system_id, receipts.receipt_id order by debited.item_key
        ) = 1
)

select
    pairs.system_id,
    pairs.receipt_id || pairs.suffix as object_key,
    pairs.company_code,
    pairs.customer,
    pairs.currency_code,
    {{ date_text('pairs.as_of_date') }} as posting_date,
    pairs.payment_document,
    '[' || cast(to_json({
        'item_key': pairs.item_key,
        'fiscal_year': pairs.fiscal_year,
        'document': pairs.accounting_document,
        'item': pairs.accounting_document_item,
        'amount': {{ money_text('pairs.amount_open') }}
    }) as varchar) || ']' as lines,
    pairs.correlation_id as ctx_correlation_id,
    pairs.system_id || '/' || pairs.company_code || '/' || pairs.customer as ctx_lane,
    pairs.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    pairs.company_code as ctx_company_code,
    pairs.payment_document as ctx_document,
    pairs.amount_open as ctx_amount,
    pairs.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from pairs
left join customers on pairs.customer_id = customers.customer_id
