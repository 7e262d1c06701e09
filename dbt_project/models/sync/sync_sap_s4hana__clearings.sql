-- Receipts to clear against items: only automatic decisions that apply the whole receipt to items
-- which are still wholly open, unblocked, of the same customer, and claimed by no other receipt.
with receipts as (
    select * from {{ ref('int_receipts_decided') }}
    where
        decision = 'auto'
        and decided_customer is not null
        and needs_review_reason is null
        and not is_unidentified
        and amount > 0
        and amount_unapplied = amount
),

to_book as (
    select object_key from {{ ref('sync_sap_s4hana__journal_entries') }}
    where posting_kind = 'customer'
),

ready as (
    select receipts.*
    from receipts
    left join to_book on receipts.receipt_id = to_book.object_key
    where
        to_book.object_key is not null
        or (
            receipts.booked_by <> 'none'
            and receipts.booked_customer_id = receipts.decided_customer_id
        )
),

applications as (
    select * from {{ source('decisions', 'applications') }}
    where rank = 1
),

items as (
    select * from {{ ref('fct_open_items') }}
    where not is_cleared
),

matched as (
    select
        ready.receipt_id,
        ready.amount as receipt_amount,
        ready.value_date,
        applications.kind,
        applications.amount as applied_amount,
        items.item_key,
        items.fiscal_year,
        items.accounting_document,
        items.accounting_document_item,
        items.posting_date,
        coalesce(
            items.amount_open = applications.amount
            and not items.is_payment_blocked
            and items.company_code = ready.company_code
            and items.currency_code = ready.currency_code
            and items.customer_id = ready.decided_customer_id
            and items.item_key is distinct from ready.booked_item_key,
            false
        ) as is_fit,
        count(*) over (partition by applications.item_key) as claims
    from ready
    inner join applications on ready.receipt_id = applications.receipt_id
    left join items
        on applications.item_key = items.item_key and ready.system_id = items.system_id
),

summed as (
    select
        receipt_id,
        max(posting_date) as item_posting_date,
        cast(to_json(list(
            {
                'item_key': item_key,
                'fiscal_year': fiscal_year,
                'document': accounting_document,
                'item': accounting_document_item,
                'amount': {{ money_text('applied_amount') }}
            }
            order by item_key
        )) as varchar) as lines
    from matched
    group by receipt_id
    having
        bool_and(kind = 'apply' and is_fit and claims = 1)
        and sum(applied_amount) = any_value(receipt_amount)
)

select
    ready.system_id,
    ready.receipt_id as object_key,
    ready.company_code,
    ready.decided_customer as customer,
    ready.currency_code,
    {{ date_text('least(greatest(ready.posting_date, item_posting_date), ready.as_of_date)') }}
        as posting_date,
    ready.booked_fiscal_year as receipt_fiscal_year,
    ready.booked_document as receipt_document,
    ready.booked_document_item as receipt_item,
    summed.lines,
    ready.correlation_id as ctx_correlation_id,
    ready.system_id || '/' || ready.company_code || '/' || ready.decided_customer as ctx_lane,
    ready.decided_customer_id as ctx_customer_id,
    ready.decided_customer_name as ctx_customer_name,
    ready.company_code as ctx_company_code,
    ready.booked_document as ctx_document,
    ready.amount as ctx_amount,
    ready.currency_code as ctx_currency_code,
    if(ready.booked_by = 'none', ready.receipt_id, null) as ctx_after_key
from ready
inner join summed on ready.receipt_id = summed.receipt_id
