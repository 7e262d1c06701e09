-- Credit memos and write-offs of the hub that the ERP holds as cleared.
with memos as (
    select * from {{ ref('int_memos_booked') }}
    where is_cleared and not is_clearing_reversed
)

select
    system_id,
    decision_id as object_key,
    company_code,
    customer,
    transaction_currency as currency_code,
    {{ date_text('clearing_date') }} as posting_date,
    fiscal_year as receipt_fiscal_year,
    accounting_document as receipt_document,
    accounting_document_item as receipt_item,
    cast(null as varchar) as lines,
    company_code || '/' || clearing_fiscal_year || '/' || clearing_accounting_document as native_id
from memos
