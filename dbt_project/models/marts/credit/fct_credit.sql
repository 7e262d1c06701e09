with limits as (
    select * from {{ ref('int_credit_limits_kinded') }}
),

exposures as (
    select * from {{ ref('int_credit_exposures_summed') }}
),

feeds as (
    select * from {{ ref('int_feeds_aged') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

joined as (
    select
        limits.*,
        exposures.exposure_open_items,
        exposures.exposure_orders,
        exposures.exposure_open_items + exposures.exposure_orders as exposure,
        exposures.overdue_amount,
        exposures.overdue_days_max,
        coalesce(limits.limit_valid_until < run.as_of_date, false) as is_limit_expired,
        coalesce(feeds.is_stale, true) as feed_is_stale,
        run.as_of_date
    from limits
    inner join exposures
        on
            limits.system_id = exposures.system_id
            and limits.customer_id = exposures.customer_id
            and limits.credit_segment = exposures.credit_segment
    left join feeds on limits.system_id = feeds.system_id
    cross join run
)

select
    system_id,
    customer_id,
    customer,
    credit_segment,
    segment_currency,
    exposure_open_items,
    exposure_orders,
    cast(exposure as decimal(28, 6)) as exposure,
    limit_kind,
    limit_reason,
    cast(limit_amount as decimal(28, 6)) as limit_amount,
    limit_valid_until,
    is_limit_expired,
    cast(limit_amount - exposure as decimal(28, 6)) as available,
    -- A ratio, not money. Whether a limit is exceeded is asked of ``available``, which is exact.
    case
        when limit_kind = 'limited'
            then cast(cast(exposure as double) / cast(limit_amount as double) as decimal(28, 8))
    end as utilisation,
    risk_class,
    is_blocked,
    block_reason,
    overdue_amount,
    cast(overdue_days_max as integer) as overdue_days_max,
    feed_is_stale,
    loaded_at as credit_loaded_at,
    as_of_date
from joined
