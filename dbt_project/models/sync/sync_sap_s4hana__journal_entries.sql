-- Every receipt that the hub must book in SAP: on the customer when the payer is certain, else
-- among the unidentified receipts. Applying it is another decision (clearings).
select
    system_id,
    posting_key as object_key,
    company_code,
    posting_kind,
    customer,
    {{ money_text('amount') }} as amount,
    currency_code,
    {{ date_text('posting_date') }} as posting_date,
    {{ date_text('document_date') }} as document_date,
    {{ date_text('value_date') }} as value_date,
    bank_gl_account,
    left(bank_reference, 16) as bank_reference,
    -- Unidentified postings carry the hub's key before this text: 50 characters less 21.
    left(payer_text, if(customer is null, 29, 50)) as item_text,
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
where kind = 'sap_s4hana'
