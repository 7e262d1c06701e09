-- (Step 1/2) Customer items of configured companies with their keys and due dates, of every ERP.
with items as (
    select * from {{ ref('int_erp_items_united') }}
    where item_nature in ('receivable', 'payment')
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
        items.item_nature,
        items.document_type,
        items.invoice_number,
        items.reference_list,
        items.sales_document,
        items.posting_date,
        items.document_date,
        coalesce(items.net_due_date, items.posting_date) as due_date,
        items.net_due_date is null as is_due_date_missing,
        items.currency_code,
        items.amount_original,
        companies.company_currency_code,
        items.amount_original_company,
        items.is_cleared_now,
        items.clearing_date,
        items.clearing_fiscal_year,
        items.clearing_document,
        coalesce(as_reversed.reversal_date, as_reversal.reversal_date) as reversal_date,
        coalesce(
            as_reversed.reversal_fiscal_year, as_reversal.reversal_fiscal_year
        ) as reversal_fiscal_year,
        coalesce(as_reversed.reversal_document, as_reversal.reversal_document) as reversal_document,
        items.external_key,
        items.assignment_reference,
        items.is_payment_blocked,
        items.discount_percent,
        items.discount_date,
        companies.as_of_date,
        items.loaded_at
    from items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
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
