with items as (
    select
        items.*,
        coalesce(disputes.amount_disputed, 0) as amount_claimed
    from {{ ref('int_open_items_as_of') }} as items
    left join {{ ref('int_disputes_summed') }} as disputes on items.item_key = disputes.item_key
)

select
    item_key,
    system_id,
    company_code,
    fiscal_year,
    accounting_document,
    accounting_document_item,
    customer_id,
    customer,
    document_type,
    item_class,
    invoice_number,
    reference_text as "references",
    sales_document,
    posting_date,
    document_date,
    due_date,
    is_due_date_missing,
    currency_code,
    cast(amount_original as decimal(28, 6)) as amount_original,
    cast(amount_applied as decimal(28, 6)) as amount_applied,
    cast(amount_open as decimal(28, 6)) as amount_open,
    company_currency_code,
    cast(amount_original_company as decimal(28, 6)) as amount_original_company,
    cast(amount_open_company as decimal(28, 6)) as amount_open_company,
    -- What is paid is no longer in dispute; a credit never is.
    cast(least(greatest(amount_open, 0), amount_claimed) as decimal(28, 6)) as amount_disputed,
    is_cleared,
    clearing_date,
    clearing_fiscal_year,
    clearing_document,
    is_reversed_by_date as is_reversed,
    is_payment_blocked,
    cast(discount_percent as decimal(9, 6)) as discount_percent,
    discount_date,
    external_key,
    cast(days_past_due as integer) as days_past_due,
    aging_bucket,
    as_of_date
from items
