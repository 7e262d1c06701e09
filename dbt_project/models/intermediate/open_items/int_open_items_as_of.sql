-- (Step 2/2) What is open as of each company's date: original minus what was applied by then. An
-- item posted later is not there yet; an item cleared later is still open.
with keyed as (
    select * from {{ ref('int_open_items_keyed') }}
    where posting_date <= as_of_date
),

closed as (
    select
        *,
        is_cleared_now
        and coalesce(clearing_date, posting_date) <= as_of_date as is_cleared_by_date,
        coalesce(reversal_date <= as_of_date, false) as is_reversed_by_date
    from keyed
),

applied as (
    select
        * exclude (clearing_date, clearing_fiscal_year, clearing_document),
        is_cleared_by_date or is_reversed_by_date as is_cleared,
        case
            when is_cleared_by_date then coalesce(clearing_date, posting_date)
            when is_reversed_by_date then reversal_date
        end as clearing_date,
        case
            when is_cleared_by_date then clearing_fiscal_year
            when is_reversed_by_date then reversal_fiscal_year
        end as clearing_fiscal_year,
        case
            when is_cleared_by_date then clearing_document
            when is_reversed_by_date then reversal_document
        end as clearing_document,
        case
            when amount_original >= 0 then 'invoice'
            when document_type = 'DZ' then 'unapplied_cash'
            else 'credit'
        end as item_class
    from closed
),

opened as (
    select
        *,
        if(is_cleared, amount_original, 0) as amount_applied,
        if(is_cleared, 0, amount_original) as amount_open,
        if(is_cleared, 0, amount_original_company) as amount_open_company,
        if(is_cleared, 0, greatest(as_of_date - due_date, 0)) as days_past_due
    from applied
),

aged as (
    select
        *,
        case
            when item_class <> 'invoice' then null
            when is_cleared then 'Paid'
            when days_past_due = 0 then 'Current'
            when days_past_due <= 30 then '1-30'
            when days_past_due <= 60 then '31-60'
            when days_past_due <= 90 then '61-90'
            when days_past_due <= 120 then '91-120'
            else '121+'
        end as aging_bucket
    from opened
)

select * from aged
