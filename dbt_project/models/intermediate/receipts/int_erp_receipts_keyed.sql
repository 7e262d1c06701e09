-- (Step 2/4) What the ERP holds as received money: payment credits on customers and credits on the
-- unidentified-receipts account. Not cut at the as-of date: a booking that exists must never be
-- made a second time, whatever date a run is for.
-- A table, as what it is compared with: a dozen models look into it.
{{ config(materialized='table') }}
with items as (
    select * from {{ ref('int_erp_items_united') }}
    where item_nature in ('payment', 'unidentified')
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

-- What was applied of a payment, where an ERP applies parts of items.
parts as (
    select
        applications.system_id,
        applications.company_code,
        applications.fiscal_year,
        applications.accounting_document,
        applications.accounting_document_item,
        -sum(applications.amount) as amount_applied
    from {{ ref('int_erp_applications_united') }} as applications
    inner join companies
        on
            applications.system_id = companies.system_id
            and applications.company_code = companies.company_code
    where applications.applied_date <= companies.as_of_date
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
        items.item_nature = 'unidentified' as is_unidentified,
        items.customer,
        companies.key_prefix || '-' || items.customer as customer_id,
        -items.amount_original as amount,
        coalesce(parts.amount_applied, 0) as amount_applied,
        items.currency_code,
        items.posting_date,
        items.document_date,
        items.bank_reference,
        items.item_text,
        items.assignment_reference,
        items.external_key,
        items.is_reversed or items.is_reversal as is_reversed,
        items.is_cleared_now,
        items.clearing_date,
        items.clearing_fiscal_year,
        items.clearing_document,
        companies.as_of_date
    from items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
    left join parts
        on
            items.system_id = parts.system_id
            and items.company_code = parts.company_code
            and items.fiscal_year = parts.fiscal_year
            and items.accounting_document = parts.accounting_document
            and items.accounting_document_item = parts.accounting_document_item
)

select * from keyed
where amount > 0
