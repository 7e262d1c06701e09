-- Returned payments that Tryton holds: by the hub's key, or booked by somebody else under the
-- bank's reference of the return, as a debit on a customer in a journal of money. What was given
-- back with it (a discount, a fee) and what the bank charged stand beside the amount itself.
with debits as (
    select
        *,
        coalesce(item_text = 'charge of the bank', false) as is_charge
    from {{ ref('feed_tryton__items') }}
    where
        item_nature = 'payment'
        and amount_original > 0
        and not is_reversed
        and not is_reversal
        and item_text is distinct from 'taken back'
),

{{ returned_found(
    'tryton',
    'debits.bank_reference = left(receipts.bank_reference, 16)'
) }}

select
    system_id,
    receipt_id as object_key,
    company_code,
    min(customer) as customer,
    {{ money_text('sum(amount_original) filter (where not is_charge)') }} as amount,
    {{ money_text('sum(amount_original) filter (where is_charge)') }} as fee_amount,
    min(currency_code) as currency_code,
    {{ date_text('min(posting_date)') }} as posting_date,
    cast(null as varchar) as document_date,
    min(bank_reference) as bank_reference,
    min(item_text) filter (where not is_charge) as item_text,
    {{ returned_unseen() }},
    min(accounting_document) as native_id
from found
group by system_id, receipt_id, company_code
