-- Returned payments that Dynamics 365 holds: by the hub's key, or booked by somebody else under the
-- bank's reference of the return, as a debit on a customer.
with debits as (
    select * from {{ ref('feed_dynamics365_finance__items') }}
    where customer is not null and amount_original > 0 and not is_reversed and not is_reversal
),

{{ returned_found(
    'dynamics365_finance',
    'debits.bank_reference = left(receipts.bank_reference, 20)'
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
    min(accounting_document) as native_id
from found
group by system_id, receipt_id, company_code
