-- Receipts to reconcile with invoices, or to divide among them.
select
    system_id,
    receipt_id as object_key,
    company_code,
    customer,
    currency_code,
    {{ date_text('posting_date') }} as posting_date,
    booked_fiscal_year as receipt_fiscal_year,
    booked_document as receipt_document,
    booked_document_item as receipt_item,
    lines,
    correlation_id as ctx_correlation_id,
    lane as ctx_lane,
    customer_id as ctx_customer_id,
    customer_name as ctx_customer_name,
    company_code as ctx_company_code,
    booked_document as ctx_document,
    amount as ctx_amount,
    currency_code as ctx_currency_code,
    after_key as ctx_after_key
from {{ ref('int_clearings_wanted') }}
where kind = 'tryton'
