-- Payments of receipts that Workday holds as applied, with the invoices beside them.
with systems as (
    select system_id from {{ source('config', 'systems') }}
    where kind = 'workday'
),

receipts as (
    select * from {{ ref('fct_receipts') }}
    where booked_item_key is not null and system_id in (select systems.system_id from systems)
),

payments as (
    select * from {{ ref('int_erp_receipts_keyed') }}
),

items as (
    select * from {{ ref('fct_open_items') }}
),

applied as (
    select
        system_id,
        accounting_document,
        applying_document,
        sum(-amount) as amount
    from {{ ref('feed_workday__applications') }}
    where amount < 0
    group by all
)

select
    receipts.system_id,
    receipts.receipt_id as object_key,
    payments.company_code,
    payments.customer,
    payments.currency_code,
    payments.accounting_document as payment_document,
    cast(to_json(list(
        {
            'item_key': items.item_key,
            'fiscal_year': items.fiscal_year,
            'document': items.accounting_document,
            'item': items.accounting_document_item,
            'amount': {{ money_text('applied.amount') }}
        }
        order by items.item_key
    )) as varchar) as lines,
    lower(payments.accounting_document) as native_id
from receipts
inner join payments on receipts.booked_item_key = payments.item_key
inner join applied
    on
        payments.system_id = applied.system_id
        and payments.accounting_document = applied.accounting_document
inner join items
    on
        applied.system_id = items.system_id
        and applied.applying_document = items.accounting_document
group by all
