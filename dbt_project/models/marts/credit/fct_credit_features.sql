with features as (
    select * from {{ ref('int_credit_features') }}
)

select
    system_id,
    customer_id,
    customer,
    credit_segment,
    segment_currency,
    country,
    cast(days_late_trend as decimal(28, 4)) as days_late_trend,
    cast(late_by_value_percent as decimal(28, 4)) as late_by_value_percent,
    cast(days_late_average as decimal(28, 4)) as days_late_average,
    cast(days_late_max as integer) as days_late_max,
    cast(utilisation_percent as decimal(28, 4)) as utilisation_percent,
    cast(disputed_percent as decimal(28, 4)) as disputed_percent,
    cast(returned_payments as integer) as returned_payments,
    cast(history_days as integer) as history_days,
    cast(sales_monthly as decimal(28, 6)) as sales_monthly,
    cast(terms_days as integer) as terms_days,
    as_of_date
from features
