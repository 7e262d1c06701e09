-- Receipts that Dynamics 365 must hold: a line of a payment journal, on the customer or on the main
-- account of unidentified receipts. The text (60 characters) opens with the receipt's id, and names
-- the value date where it is another day.
select
    system_id,
    posting_key as object_key,
    company_code,
    posting_kind,
    customer,
    {{ money_text('amount') }} as amount,
    currency_code,
    {{ date_text('posting_date') }} as posting_date,
    bank_gl_account as bank_account,
    left(bank_reference, 20) as bank_reference,
    left(receipt_id, 18) || ' ' || left(payer_text, 24)
    || if(value_date <> posting_date, ' value ' || {{ date_text('value_date') }}, '') as item_text,
    correlation_id as ctx_correlation_id,
    lane as ctx_lane,
    customer_id as ctx_customer_id,
    customer_name as ctx_customer_name,
    company_code as ctx_company_code,
    bank_reference as ctx_document,
    amount as ctx_amount,
    currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from {{ ref('int_receipts_to_post') }}
where kind = 'dynamics365_finance'
