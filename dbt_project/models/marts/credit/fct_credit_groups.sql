-- What customers owe together who stand under one head, or for whom one CRM account stands, in the
-- group currency. Every customer is in one group, and every document in one class of one customer.
with credit as (
    select
        *,
        limit_kind = 'unlimited'
        and (
            limit_reason is distinct from 'no_credit_account'
            or count_if(limit_reason is distinct from 'no_credit_account') over (
                partition by customer_id
            ) = 0
        ) as is_unlimited
    from {{ ref('fct_credit') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

rates as (
    select * from {{ ref('int_rates_crossed') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

accounts as (
    select * from {{ ref('dim_customer_links') }}
    where relation = 'account'
),

placed as (
    select
        customers.customer_id,
        coalesce(parents.group_id, customers.customer_id) as group_id
    from customers
    left join {{ ref('int_customer_parents') }} as parents
        on customers.customer_id = parents.customer_id
),

members as (
    select * from placed
    qualify count(*) over (partition by group_id) > 1
),

-- The policy's limit of the whole group; of several that hold today, the smallest.
group_limits as (
    select
        limits.customer_id as group_id,
        min(limits.limit_amount * rates.rate) as limit_amount
    from {{ source('policy', 'group_limits') }} as limits
    cross join run
    inner join rates
        on
            limits.currency_code = rates.source_currency_code
            and run.group_currency = rates.target_currency_code
    where
        run.as_of_date >= coalesce(limits.valid_from, run.as_of_date)
        and run.as_of_date <= coalesce(limits.valid_until, run.as_of_date)
    group by all
),

summed as (
    select
        members.group_id,
        count(distinct members.customer_id) as customers,
        count(distinct credit.system_id) as systems,
        count_if(
            credit.customer_id is not null
            and (rates.rate is null or credit.exposure is null)
        ) as unknown,
        sum(credit.exposure_open_items * rates.rate) as exposure_open_items,
        sum(credit.exposure_orders * rates.rate) as exposure_orders,
        sum(credit.overdue_amount * rates.rate) as overdue_amount,
        max(credit.overdue_days_max) as overdue_days_max,
        cast(count_if(credit.is_unlimited) as bigint) as accounts_unlimited,
        sum(if(credit.limit_kind = 'limited', credit.limit_amount * rates.rate, 0))
            as limit_granted,
        bool_or(credit.is_blocked) as is_blocked,
        bool_or(credit.feed_is_stale) as feed_is_stale
    from members
    cross join run
    left join credit on members.customer_id = credit.customer_id
    left join rates
        on
            credit.segment_currency = rates.source_currency_code
            and run.group_currency = rates.target_currency_code
    group by all
),

named as (
    select
        summed.*,
        coalesce(
            customers.name,
            (
                select min(accounts.account_name)
                from accounts
                where accounts.system_id || '/' || accounts.native_id = summed.group_id
            ), summed.group_id
        ) as group_name,
        group_limits.limit_amount as group_limit,
        run.group_currency,
        run.as_of_date
    from summed
    cross join run
    left join customers on summed.group_id = customers.customer_id
    left join group_limits on summed.group_id = group_limits.group_id
),

stated as (
    select
        *,
        {% for column in [
            'exposure_open_items', 'exposure_orders', 'overdue_amount', 'limit_granted'
        ] %}
            if(
                unknown > 0, null,
                {{ rounded_money('coalesce(' ~ column ~ ', 0)', 'group_currency') }}
            ) as {{ column }}_stated,
        {% endfor %}
        {{ rounded_money('group_limit', 'group_currency') }} as group_limit_stated
    from named
)

select
    group_id,
    group_name,
    customers,
    systems,
    group_currency,
    cast(exposure_open_items_stated as decimal(28, 6)) as exposure_open_items,
    cast(exposure_orders_stated as decimal(28, 6)) as exposure_orders,
    cast(exposure_open_items_stated + exposure_orders_stated as decimal(28, 6)) as exposure,
    cast(overdue_amount_stated as decimal(28, 6)) as overdue_amount,
    cast(coalesce(overdue_days_max, 0) as integer) as overdue_days_max,
    cast(limit_granted_stated as decimal(28, 6)) as limit_granted,
    accounts_unlimited,
    cast(group_limit_stated as decimal(28, 6)) as group_limit,
    cast(
        group_limit_stated - exposure_open_items_stated - exposure_orders_stated
        as decimal(28, 6)
    ) as available,
    coalesce(is_blocked, false) as is_blocked,
    coalesce(feed_is_stale, true) as feed_is_stale,
    as_of_date
from stated
