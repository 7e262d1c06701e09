-- Every receipt that the hub must book in Workday: a customer payment, without customer when the
-- payer is not certain. Workday has one date per payment; a value date that differs stands in the
-- memo.
with receipts as (
    select * from {{ ref('int_receipts_to_post') }}
    where kind = 'workday'
)

select
    system_id,
    posting_key as object_key,
    company_code,
    posting_kind,
    customer,
    {{ money_text('amount') }} as amount,
    currency_code,
    {{ date_text('posting_date') }} as posting_date,
    left(bank_reference, 60) as bank_reference,
    left(payer_text, 200)
    || if(value_date <> posting_date, '; value date ' || {{ date_text('value_date') }}, '')
        as item_text,
    correlation_id as ctx_correlation_id,
    lane as ctx_lane,
    customer_id as ctx_customer_id,
    customer_name as ctx_customer_name,
    company_code as ctx_company_code,
    bank_reference as ctx_document,
    amount as ctx_amount,
    currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from receipts
