-- (Step 1/2) Lines of disputes and the item that is open of them now. A short payment's clearing
-- closes the invoice and leaves the rest as new items of its own document: the dispute is about the
-- one of its amount, else the only one, else the only one with the invoice's number. Where none of
-- this holds nobody guesses, and the item is unclear.
with lines as (
    select
        *,
        row_number() over (
            partition by item_key, amount order by dispute_id, receipt_id
        ) as place
    from {{ source('ledger', 'disputes') }}
),

items as (
    select
        *,
        coalesce(is_cleared_now and clearing_date <= as_of_date, false) as is_cleared
    from {{ ref('int_open_items_keyed') }}
    where posting_date <= as_of_date
),

disputed as (
    select distinct item_key from lines
),

residuals as (
    select
        origins.item_key,
        residuals.item_key as residual_item_key,
        residuals.amount_original,
        residuals.invoice_number = origins.invoice_number as has_same_number,
        row_number() over (
            partition by origins.item_key, residuals.amount_original order by residuals.item_key
        ) as place
    from disputed
    inner join items as origins on disputed.item_key = origins.item_key
    inner join items as residuals
        on
            origins.system_id = residuals.system_id
            and origins.company_code = residuals.company_code
            and origins.clearing_document = residuals.accounting_document
            and origins.clearing_fiscal_year = residuals.fiscal_year
            and origins.customer_id = residuals.customer_id
            and origins.currency_code = residuals.currency_code
    where
        origins.is_cleared
        and residuals.amount_original > 0
        and residuals.item_key <> origins.item_key
),

counted as (
    select
        item_key,
        count(*) as residual_count,
        min(residual_item_key) as residual_item_key,
        count_if(has_same_number) as same_number_count,
        min(if(has_same_number, residual_item_key, null)) as same_number_item_key
    from residuals
    group by item_key
),

followed as (
    select
        lines.* exclude (place),
        case
            when equal.residual_item_key is not null then equal.residual_item_key
            when counted.residual_count = 1 then counted.residual_item_key
            when counted.same_number_count = 1 then counted.same_number_item_key
        end as residual_item_key,
        counted.residual_count is not null as has_residuals,
        lines.status not in ('closed', 'written_off', 'void') as is_living
    from lines
    left join residuals as equal
        on
            lines.item_key = equal.item_key
            and lines.amount = equal.amount_original
            and lines.place = equal.place
    left join counted on lines.item_key = counted.item_key
)

select
    * exclude (residual_item_key, has_residuals),
    coalesce(residual_item_key, item_key) as current_item_key,
    has_residuals and residual_item_key is null as is_item_unclear
from followed
