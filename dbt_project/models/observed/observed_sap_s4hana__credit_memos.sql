-- Credit memos and write-offs of the hub that the ERP holds. Where the money went (returns or
-- allowance) stands on a line that is not read.
with memos as (
    select * from {{ ref('int_memos_booked') }}
)

select
    system_id,
    decision_id as object_key,
    company_code,
    customer,
    cast(null as varchar) as posting_kind,
    {{ money_text('-amount_in_transaction_currency') }} as amount,
    transaction_currency as currency_code,
    {{ date_text('posting_date') }} as posting_date,
    {{ date_text('document_date') }} as document_date,
    cast(null as varchar) as reason_code,
    document_reference as invoice_number,
    document_item_text as item_text,
    cast(null as varchar) as is_agreed,
    company_code || '/' || fiscal_year || '/' || accounting_document as native_id
from memos
