-- Refunds that the ERP holds as cleared.
with refunds as (
    select
        system_id,
        business_key as receipt_id,
        external_key
    from {{ source('ledger', 'commands') }}
    where object_name = 'refunds' and coalesce(external_key, '') <> ''
),

items as (
    select * from {{ ref('int_open_items_keyed') }}
    where is_cleared_now
)

select
    items.system_id,
    refunds.receipt_id || '-refund' as object_key,
    items.company_code,
    items.customer,
    items.currency_code,
    {{ date_text('items.clearing_date') }} as posting_date,
    items.fiscal_year as receipt_fiscal_year,
    items.accounting_document as receipt_document,
    items.accounting_document_item as receipt_item,
    cast(null as varchar) as lines,
    items.company_code || '/' || items.clearing_fiscal_year || '/' || items.clearing_document
        as native_id
from refunds
inner join items
    on refunds.system_id = items.system_id and refunds.external_key = items.external_key
