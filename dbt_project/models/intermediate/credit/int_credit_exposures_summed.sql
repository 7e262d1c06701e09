-- (Step 3/3) What a customer owes and has on order per credit segment, in the segment's currency:
-- open items of all its companies there, and open orders that are not blocked.
with limits as (
    select * from {{ ref('int_credit_limits_kinded') }}
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

items as (
    select
        items.system_id,
        items.customer_id,
        companies.credit_segment,
        items.currency_code,
        sum(items.amount_open) as amount_open,
        sum(
            if(items.item_class = 'invoice' and items.days_past_due > 0, items.amount_open, 0)
        ) as amount_overdue,
        max(if(items.item_class = 'invoice', items.days_past_due, 0)) as overdue_days_max
    from {{ ref('fct_open_items') }} as items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
    where items.amount_open <> 0
    group by all
),

rates as (
    select * from {{ ref('int_rates_crossed') }}
),

converted as (
    select
        limits.system_id,
        limits.customer_id,
        limits.credit_segment,
        coalesce(sum(items.amount_open * rates.rate), 0) as exposure_open_items,
        coalesce(sum(items.amount_overdue * rates.rate), 0) as overdue_amount,
        max(items.overdue_days_max) as overdue_days_max,
        count_if(items.currency_code is not null and rates.rate is null) as missing_rates
    from limits
    left join items
        on
            limits.system_id = items.system_id
            and limits.customer_id = items.customer_id
            and limits.credit_segment = items.credit_segment
    left join rates
        on
            items.currency_code = rates.source_currency_code
            and limits.segment_currency = rates.target_currency_code
    group by all
),

orders as (
    select
        system_id,
        customer_id,
        credit_segment,
        sum(amount_segment) as exposure_orders,
        count_if(amount_segment is null) as missing_rates
    from {{ ref('fct_sales_orders') }}
    where is_open and not is_credit_blocked
    group by all
),

summed as (
    select
        limits.system_id,
        limits.customer_id,
        limits.credit_segment,
        if(
            converted.missing_rates > 0, null,
            {{ rounded_money('converted.exposure_open_items', 'limits.segment_currency') }}
        ) as exposure_open_items,
        if(
            coalesce(orders.missing_rates, 0) > 0, null,
            cast(coalesce(orders.exposure_orders, 0) as decimal(28, 6))
        ) as exposure_orders,
        if(
            converted.missing_rates > 0, null,
            {{ rounded_money('converted.overdue_amount', 'limits.segment_currency') }}
        ) as overdue_amount,
        coalesce(converted.overdue_days_max, 0) as overdue_days_max
    from limits
    inner join converted
        on
            limits.system_id = converted.system_id
            and limits.customer_id = converted.customer_id
            and limits.credit_segment = converted.credit_segment
    left join orders
        on
            limits.system_id = orders.system_id
            and limits.customer_id = orders.customer_id
            and limits.credit_segment = orders.credit_segment
)

select * from summed
