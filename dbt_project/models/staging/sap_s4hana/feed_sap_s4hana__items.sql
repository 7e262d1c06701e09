-- Customer line items and lines of the unidentified-receipts account in the shape of every ERP.
-- Special G/L items (down payments, guarantees) stand on other accounts and are not receivables.
with items as (
    select * from {{ ref('stg_sap_s4hana__operational_items') }}
    where special_gl_code is null
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

unidentified_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
),

natured as (
    select
        items.*,
        billing.purchase_order,
        -- What a returned payment had paid is open again under the invoice's own number.
        case
            when
                items.accounting_document_type = 'DR'
                and items.document_item_text = 'Returned ' || items.assignment_reference
                then items.assignment_reference
        end as returned_number,
        case
            when unidentified_accounts.gl_account is not null then 'unidentified'
            when items.financial_account_type <> 'D' then null
            when items.accounting_document_type = 'DZ' then 'payment'
            else 'receivable'
        end as item_nature
    from items
    left join billing
        on items.system_id = billing.system_id and items.billing_document = billing.billing_document
    left join unidentified_accounts
        on
            items.system_id = unidentified_accounts.system_id
            and items.gl_account = unidentified_accounts.gl_account
)

select
    system_id,
    company_code,
    fiscal_year,
    accounting_document,
    accounting_document_item,
    item_nature,
    if(item_nature = 'unidentified', null, customer) as customer,
    accounting_document_type as document_type,
    coalesce(returned_number, document_reference, billing_document, accounting_document)
        as invoice_number,
    [
        coalesce(returned_number, document_reference), payment_reference, billing_document,
        accounting_document, sales_document, purchase_order
    ] as reference_list,
    sales_document,
    posting_date,
    document_date,
    net_due_date,
    transaction_currency as currency_code,
    {{ signed_amount('amount_in_transaction_currency', 'debit_credit_code') }} as amount_original,
    {{ signed_amount('amount_in_company_code_currency', 'debit_credit_code') }}
        as amount_original_company,
    is_cleared and not is_clearing_reversed as is_cleared_now,
    coalesce(clearing_date, clearing_creation_date) as clearing_date,
    clearing_fiscal_year,
    clearing_accounting_document as clearing_document,
    is_reversed,
    is_reversal,
    reverse_document,
    if(
        item_nature = 'unidentified',
        coalesce(partner_reference_3, left(document_item_text, 20)), partner_reference_3
    ) as external_key,
    assignment_reference,
    document_reference as bank_reference,
    document_item_text as item_text,
    payment_blocking_reason is not null as is_payment_blocked,
    cash_discount_percent as discount_percent,
    cash_discount_due_date as discount_date,
    loaded_at
from natured
where item_nature is not null
