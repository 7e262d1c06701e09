-- Customer transactions and receipts on the unidentified main account in the shape of every ERP.
-- A record id names a transaction for good, a voucher may hold several: the id is the document.
with transactions as (
    select
        *,
        {{ d365_date('TransDate') }} as posting_date,
        cast(RecId as varchar) as document
    from {{ source('dynamics365_finance_raw', 'customer_transactions') }}
),

entries as (
    select
        *,
        {{ d365_date('AccountingDate') }} as posting_date,
        cast(RecId as varchar) as document
    from {{ source('dynamics365_finance_raw', 'ledger_entries') }}
)

select
    system_id,
    upper(dataAreaId) as company_code,
    strftime(posting_date, '%Y') as fiscal_year,
    document as accounting_document,
    '001' as accounting_document_item,
    if(TransType = 'Payment', 'payment', 'receivable') as item_nature,
    upper(trim(AccountNum)) as customer,
    TransType as document_type,
    coalesce(nullif(trim(Invoice), ''), Voucher) as invoice_number,
    [nullif(trim(Invoice), ''), nullif(trim(CustomerReference), ''), Voucher] as reference_list,
    cast(null as varchar) as sales_document,
    posting_date,
    coalesce({{ d365_date('DocumentDate') }}, posting_date) as document_date,
    {{ d365_date('DueDate') }} as net_due_date,
    CurrencyCode as currency_code,
    AmountCur as amount_original,
    AmountMST as amount_original_company,
    false as is_cleared_now,
    cast(null as date) as clearing_date,
    cast(null as varchar) as clearing_fiscal_year,
    cast(null as varchar) as clearing_document,
    IsReversed = 'Yes' as is_reversed,
    IsReversal = 'Yes' as is_reversal,
    if(ReversalRecId = 0, null, cast(ReversalRecId as varchar)) as reverse_document,
    -- Payment journals keep it in the first, free text and customer invoice journals in the others.
    coalesce(
        nullif(trim(PaymReference), ''), nullif(trim(CustomerReference), ''),
        nullif(trim(DocumentNum), '')
    ) as external_key,
    if(TransType = 'Payment', left(Txt, 18), null) as assignment_reference,
    nullif(trim(PaymId), '') as bank_reference,
    nullif(trim(Txt), '') as item_text,
    Approved = 'No' as is_payment_blocked,
    _loaded_at as loaded_at
from transactions
union all by name
select
    system_id,
    upper(dataAreaId) as company_code,
    strftime(posting_date, '%Y') as fiscal_year,
    document as accounting_document,
    '001' as accounting_document_item,
    'unidentified' as item_nature,
    cast(null as varchar) as customer,
    'Ledger' as document_type,
    Voucher as invoice_number,
    [Voucher] as reference_list,
    cast(null as varchar) as sales_document,
    posting_date,
    coalesce({{ d365_date('DocumentDate') }}, posting_date) as document_date,
    cast(null as date) as net_due_date,
    TransactionCurrencyCode as currency_code,
    TransactionCurrencyAmount as amount_original,
    AccountingCurrencyAmount as amount_original_company,
    false as is_cleared_now,
    cast(null as date) as clearing_date,
    cast(null as varchar) as clearing_fiscal_year,
    cast(null as varchar) as clearing_document,
    false as is_reversed,
    false as is_reversal,
    cast(null as varchar) as reverse_document,
    nullif(trim(PaymentReference), '') as external_key,
    left(entries.Text, 18) as assignment_reference,
    nullif(trim(DocumentNumber), '') as bank_reference,
    nullif(trim(entries.Text), '') as item_text,
    false as is_payment_blocked,
    _loaded_at as loaded_at
from entries
