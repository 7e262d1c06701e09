-- (Step 2/4) What the ERP holds as received money: payment credits on customers and credits on the
-- unidentified-receipts account. Not cut at the as-of date: a booking that exists must never be
-- made a second time, whatever date a run is for.
with items as (
    select * from {{ ref('stg_sap_s4hana__operational_items') }}
    where special_gl_code is null
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

unidentified_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
),

keyed as (
    select
        companies.key_prefix || '-' || items.company_code || '-' || items.fiscal_year || '-'
        || items.accounting_document || '-' || items.accounting_document_item as item_key,
        items.system_id,
        items.company_code,
        items.fiscal_year,
        items.accounting_document,
        items.accounting_document_item,
        unidentified_accounts.gl_account is not null as is_unidentified,
        if(
            unidentified_accounts.gl_account is null, items.customer, null
        ) as customer,
        if(
            unidentified_accounts.gl_account is null,
            companies.key_prefix || '-' || items.customer, null
        ) as customer_id,
        -({{ signed_amount('items.amount_in_transaction_currency') }}) as amount,
        items.transaction_currency as currency_code,
        items.posting_date,
        items.document_date,
        items.document_reference,
        items.document_item_text,
        items.assignment_reference,
        coalesce(items.partner_reference_3, left(items.document_item_text, 20)) as external_key,
        items.is_reversed or items.is_reversal as is_reversed,
        items.is_cleared and not items.is_clearing_reversed as is_cleared_now,
        coalesce(items.clearing_date, items.clearing_creation_date) as clearing_date,
        items.clearing_fiscal_year,
        items.clearing_accounting_document as clearing_document,
        companies.as_of_date
    from items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
    left join unidentified_accounts
        on
            items.system_id = unidentified_accounts.system_id
            and items.gl_account = unidentified_accounts.gl_account
    where
        (items.financial_account_type = 'D' and items.accounting_document_type = 'DZ')
        or unidentified_accounts.gl_account is not null
)

select * from keyed
where amount > 0
