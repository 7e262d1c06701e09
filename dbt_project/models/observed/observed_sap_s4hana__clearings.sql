-- Receipts that the ERP holds as cleared, with the items cleared beside them.
with receipts as (
    select * from {{ ref('fct_receipts') }}
    where booked_item_key is not null
),

items as (
    select * from {{ ref('fct_open_items') }}
    where is_cleared and clearing_document is not null
),

cleared as (
    select
        receipts.receipt_id,
        receipts.booked_fiscal_year,
        receipts.booked_document,
        receipts.booked_document_item,
        booked.system_id,
        booked.company_code,
        booked.customer,
        booked.currency_code,
        booked.clearing_date,
        booked.clearing_fiscal_year,
        booked.clearing_document,
        booked.item_key
    from receipts
    inner join items as booked on receipts.booked_item_key = booked.item_key
)

select
    cleared.system_id,
    cleared.receipt_id as object_key,
    cleared.company_code,
    cleared.customer,
    cleared.currency_code,
    {{ date_text('cleared.clearing_date') }} as posting_date,
    cleared.booked_fiscal_year as receipt_fiscal_year,
    cleared.booked_document as receipt_document,
    cleared.booked_document_item as receipt_item,
    cast(to_json(list(
        {
            'item_key': others.item_key,
            'fiscal_year': others.fiscal_year,
            'document': others.accounting_document,
            'item': others.accounting_document_item,
            'amount': {{ money_text('others.amount_original') }}
        }
        order by others.item_key
    ) filter (where others.item_key is not null)) as varchar) as lines,
    cleared.company_code || '/' || cleared.clearing_fiscal_year || '/' || cleared.clearing_document
        as native_id
from cleared
left join items as others
    on
        cleared.system_id = others.system_id
        and cleared.company_code = others.company_code
        and cleared.clearing_fiscal_year = others.clearing_fiscal_year
        and cleared.clearing_document = others.clearing_document
        and cleared.item_key <> others.item_key
group by all
