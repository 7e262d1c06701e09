-- Refunds, and returns of receipts that paid nothing, that the ERP holds as cleared.
with refunds as (
    select
        system_id,
        case
            when object_name = 'refunds' then business_key || '-refund'
            else (payload ->> '$.receipt_key') || '-returned'
        end as object_key,
        external_key
    from {{ source('ledger', 'commands') }}
    where
        kind = 'sap_s4hana'
        and coalesce(external_key, '') <> ''
        and (
            object_name = 'refunds'
            or (object_name = 'returned_payments' and (payload ->> '$.lines') is null)
        )
),

items as (
    select * from {{ ref('int_open_items_keyed') }}
    where is_cleared_now
)

select
    items.system_id,
    refunds.object_key,
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
