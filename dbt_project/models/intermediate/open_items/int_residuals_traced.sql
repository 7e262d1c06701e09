-- What is left of items that were paid short: residual items with the item they came from.
-- A payment that is short by a deduction closes the invoice and leaves a new item: who knows the
-- invoice finds here what is still open of it.
with residuals as (
    select * from {{ ref('stg_sap_s4hana__operational_items') }}
    where
        invoice_reference is not null
        and financial_account_type = 'D'
        and special_gl_code is null
),

items as (
    select * from {{ ref('fct_open_items') }}
)

select
    origin.item_key,
    items.item_key as residual_item_key,
    items.system_id,
    items.company_code,
    items.customer_id,
    items.customer,
    items.currency_code,
    items.fiscal_year,
    items.accounting_document,
    items.accounting_document_item,
    items.amount_original,
    items.amount_open,
    residuals.payment_difference_reason
from residuals
inner join items
    on
        residuals.system_id = items.system_id
        and residuals.company_code = items.company_code
        and residuals.fiscal_year = items.fiscal_year
        and residuals.accounting_document = items.accounting_document
        and residuals.accounting_document_item = items.accounting_document_item
inner join items as origin
    on
        residuals.system_id = origin.system_id
        and residuals.company_code = origin.company_code
        and residuals.invoice_reference = origin.accounting_document
        and coalesce(residuals.invoice_reference_fiscal_year, origin.fiscal_year)
        = origin.fiscal_year
        and coalesce(residuals.invoice_item_reference, origin.accounting_document_item)
        = origin.accounting_document_item
-- A partial payment names its invoice too, but takes from it; a residual has its sign.
where sign(items.amount_original) = sign(origin.amount_original)
