-- Parts of invoices that payments and adjustments pay, from the applications report. Each stands
-- twice: once on the invoice, once, with the other sign, on what pays it.
with applied as (
    select
        system_id,
        upper(Applied_From_Workday_ID) as credit_document,
        upper(Applied_To_Workday_ID) as invoice_document,
        Application_Date as applied_date,
        Applied_Amount as amount,
        Ledger_Amount as amount_company
    from {{ source('workday_raw', 'customer_applications') }}
),

items as (
    select
        system_id,
        company_code,
        fiscal_year,
        accounting_document,
        accounting_document_item
    from {{ ref('feed_workday__items') }}
),

both_sides as (
    select
        system_id,
        invoice_document as document,
        credit_document as applying_document,
        applied_date,
        amount,
        amount_company
    from applied
    union all
    select
        system_id,
        credit_document as document,
        invoice_document as applying_document,
        applied_date,
        -amount as amount,
        -amount_company as amount_company
    from applied
)

select
    items.system_id,
    items.company_code,
    items.fiscal_year,
    items.accounting_document,
    items.accounting_document_item,
    both_sides.applied_date,
    both_sides.amount,
    both_sides.amount_company,
    both_sides.applying_document
from both_sides
inner join items
    on
        both_sides.system_id = items.system_id
        and both_sides.document = items.accounting_document
