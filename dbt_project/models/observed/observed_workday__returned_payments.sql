-- Returned payments that Workday holds as due again: invoices by the hub's key, or raised by
-- somebody else under the bank's reference of the return.
with debits as (
    select * from {{ ref('feed_workday__items') }}
    where document_type = 'INVOICE'
),

{{ returned_found(
    'workday',
    'list_contains(debits.reference_list, receipts.bank_reference)'
    ~ ' and debits.amount_original = -receipts.amount'
) }}

select
    system_id,
    receipt_id as object_key,
    company_code,
    min(customer) as customer,
    {{ money_text('sum(amount_original)') }} as amount,
    cast(null as varchar) as fee_amount,
    min(currency_code) as currency_code,
    {{ date_text('min(posting_date)') }} as posting_date,
    {{ date_text('min(document_date)') }} as document_date,
    cast(null as varchar) as bank_reference,
    cast(null as varchar) as item_text,
    {{ returned_unseen() }},
    lower(min(accounting_document)) as native_id
from found
group by system_id, receipt_id, company_code
