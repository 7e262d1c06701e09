-- Every receipt that the hub must book: on the customer when the payer is certain, else among the
-- unidentified receipts. Applying it is another decision (clearings).
with receipts as (
    select * from {{ ref('int_receipts_decided') }}
    where
        booked_by = 'none'
        and bank_line = 'hub'
        and needs_review_reason is null
        and not is_maybe_booked
        and amount > 0
)

select
    system_id,
    receipt_id as object_key,
    company_code,
    if(decided_customer is null, 'unidentified', 'customer') as posting_kind,
    decided_customer as customer,
    {{ money_text('amount') }} as amount,
    currency_code,
    {{ date_text('posting_date') }} as posting_date,
    {{ date_text('booking_date') }} as document_date,
    {{ date_text('value_date') }} as value_date,
    gl_account as bank_gl_account,
    left(coalesce(bank_reference, receipt_id), 16) as bank_reference,
    -- Unidentified postings carry the hub's key before this text: 50 characters less 21.
    left(
        trim(regexp_replace(coalesce(payer_name, 'bank receipt'), '\s+', ' ', 'g')),
        if(decided_customer is null, 29, 50)
    ) as item_text,
    correlation_id as ctx_correlation_id,
    system_id || '/' || company_code || '/' || coalesce(decided_customer, 'unidentified')
        as ctx_lane,
    decided_customer_id as ctx_customer_id,
    coalesce(decided_customer_name, payer_name) as ctx_customer_name,
    company_code as ctx_company_code,
    bank_reference as ctx_document,
    amount as ctx_amount,
    currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from receipts
