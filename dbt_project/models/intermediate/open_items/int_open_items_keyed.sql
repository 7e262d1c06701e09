-- (Step 1/2) Customer items of configured companies in canonical columns: keys, signs, due dates.
-- Special G/L items (down payments, guarantees) stand on other accounts and are not receivables.
with items as (
    select * from {{ ref('stg_sap_s4hana__operational_items') }}
    where financial_account_type = 'D' and special_gl_code is null
),

billing as (
    select
        system_id,
        billing_document,
        any_value(purchase_order_by_customer) as purchase_order
    from {{ ref('stg_sap_s4hana__billing_documents') }}
    where purchase_order_by_customer is not null
    group by system_id, billing_document
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

-- A reversed document and its reversal name each other; both close on the reversal's date.
reversals as (
    select
        system_id,
        company_code,
        accounting_document as reversal_document,
        reverse_document as reversed_document,
        max(fiscal_year) as reversal_fiscal_year,
        max(posting_date) as reversal_date
    from items
    where is_reversal and reverse_document is not null
    group by all
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
        companies.key_prefix || '-' || items.customer as customer_id,
        items.customer,
        items.accounting_document_type as document_type,
        coalesce(
            items.document_reference, items.billing_document, items.accounting_document
        ) as invoice_number,
        [
            items.document_reference, items.payment_reference, items.billing_document,
            items.accounting_document, items.sales_document, billing.purchase_order
        ] as reference_list,
        items.sales_document,
        items.posting_date,
        items.document_date,
        coalesce(items.net_due_date, items.posting_date) as due_date,
        items.net_due_date is null as is_due_date_missing,
        items.transaction_currency as currency_code,
        {{ signed_amount('items.amount_in_transaction_currency') }} as amount_original,
        companies.company_currency_code,
        {{ signed_amount('items.amount_in_company_code_currency') }} as amount_original_company,
        items.is_cleared and not items.is_clearing_reversed as is_cleared_now,
        coalesce(items.clearing_date, items.clearing_creation_date) as clearing_date,
        items.clearing_fiscal_year,
        items.clearing_accounting_document as clearing_document,
        coalesce(as_reversed.reversal_date, as_reversal.reversal_date) as reversal_date,
        coalesce(
            as_reversed.reversal_fiscal_year, as_reversal.reversal_fiscal_year
        ) as reversal_fiscal_year,
        coalesce(as_reversed.reversal_document, as_reversal.reversal_document) as reversal_document,
        items.partner_reference_3 as external_key,
        items.assignment_reference,
        items.payment_blocking_reason is not null as is_payment_blocked,
        companies.as_of_date,
        items.loaded_at
    from items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
    left join billing
        on items.system_id = billing.system_id and items.billing_document = billing.billing_document
    left join reversals as as_reversed
        on
            items.is_reversed
            and items.system_id = as_reversed.system_id
            and items.company_code = as_reversed.company_code
            and items.accounting_document = as_reversed.reversed_document
            and items.reverse_document = as_reversed.reversal_document
            and items.posting_date <= as_reversed.reversal_date
    left join reversals as as_reversal
        on
            items.is_reversal
            and items.system_id = as_reversal.system_id
            and items.company_code = as_reversal.company_code
            and items.accounting_document = as_reversal.reversal_document
            and items.reverse_document = as_reversal.reversed_document
)

-- Each reference once, the surest first.
select
    * exclude (reference_list),
    array_to_string(
        list_filter(
            reference_list,
            lambda reference, place: list_position(reference_list, reference) = place -- noqa: LT01
        ), ';'
    ) as reference_text
from keyed
