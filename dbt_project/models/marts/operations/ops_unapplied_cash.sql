-- Cash that came in and pays nothing yet, by company, currency and where it stands.
with receipts as (
    select
        *,
        as_of_date - value_date as age_days,
        case
            when needs_review_reason is not null then 'in review'
            when booked_by = 'none' then 'not booked'
            when is_unidentified then 'unidentified'
            else 'on account'
        end as place
    from {{ ref('fct_receipts') }}
    where amount_unapplied > 0
)

select
    system_id,
    company_code,
    currency_code,
    place,
    'cash application' as team,
    count(*) as receipts,
    cast(sum(amount_unapplied) as decimal(28, 6)) as amount_unapplied,
    cast(count_if(age_days > {{ var('unapplied_old_after_days') }}) as bigint) as receipts_old,
    cast(
        sum(if(age_days > {{ var('unapplied_old_after_days') }}, amount_unapplied, 0))
        as decimal(28, 6)
    ) as amount_old,
    min(value_date) as oldest_value_date,
    cast(max(age_days) as integer) as age_days_max
from receipts
group by all
