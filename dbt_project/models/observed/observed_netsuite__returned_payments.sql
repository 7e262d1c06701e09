-- Returned payments that NetSuite holds: journal entries on receivables by the hub's key, or booked
-- by somebody else under the bank's reference of the return.
with debits as (
    select * from {{ ref('feed_netsuite__items') }}
    where
        document_type = 'Journal'
        and item_nature = 'receivable'
        and customer is not null
        and amount_original > 0
),

{{ returned_found(
    'netsuite',
    'debits.bank_reference = left(receipts.bank_reference, 16)'
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
    cast(null as varchar) as document_date,
    min(bank_reference) as bank_reference,
    min(item_text) as item_text,
    {{ returned_unseen() }},
    min(accounting_document) as native_id
from found
group by system_id, receipt_id, company_code
