-- Returned payments that the ERP holds: by the hub's key, or booked by somebody else under the
-- bank's reference of the return, as a debit on a customer.
with commands as (
    select
        system_id,
        business_key as receipt_id,
        external_key
    from {{ source('ledger', 'commands') }}
    where object_name = 'returned_payments' and coalesce(external_key, '') <> ''
),

receipts as (
    select * from {{ ref('fct_receipts') }}
    where needs_review_reason = 'bank_reversal'
),

items as (
    select
        *,
        {{ signed_amount('amount_in_transaction_currency', 'debit_credit_code') }} as amount
    from {{ ref('stg_sap_s4hana__operational_items') }}
    where financial_account_type = 'D' and not is_reversed and not is_reversal
),

debits as (
    select * from items
    where amount > 0
),

found as (
    select
        commands.receipt_id,
        debits.*
    from debits
    inner join commands
        on
            debits.system_id = commands.system_id
            and debits.partner_reference_3 = commands.external_key
    union all
    select
        receipts.receipt_id,
        debits.*
    from debits
    inner join receipts
        on
            debits.system_id = receipts.system_id
            and debits.company_code = receipts.company_code
            and debits.transaction_currency = receipts.currency_code
            and debits.document_reference = left(receipts.bank_reference, 16)
            and debits.posting_date >= receipts.value_date
)

select
    system_id,
    receipt_id as object_key,
    company_code,
    min(customer) as customer,
    {{ money_text('sum(amount)') }} as amount,
    cast(null as varchar) as fee_amount,
    min(transaction_currency) as currency_code,
    {{ date_text('min(posting_date)') }} as posting_date,
    {{ date_text('min(document_date)') }} as document_date,
    cast(null as varchar) as value_date,
    cast(null as varchar) as bank_gl_account,
    min(document_reference) as bank_reference,
    cast(null as varchar) as item_text,
    cast(null as varchar) as lines,
    cast(null as varchar) as receipt_document,
    cast(null as varchar) as receipt_key,
    company_code || '/' || min(fiscal_year) || '/' || min(accounting_document) as native_id
from found
group by system_id, receipt_id, company_code
