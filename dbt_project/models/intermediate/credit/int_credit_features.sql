-- What is known of a customer's way of paying, per credit segment and in its currency. What is not
-- known is null, never zero: a customer without a single due invoice is not one that pays on time.
with accounts as (
    select * from {{ ref('fct_credit') }}
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

rates as (
    select * from {{ ref('int_rates_crossed') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

items as (
    select
        items.*,
        companies.credit_segment,
        accounts.segment_currency,
        items.amount_original * rates.rate as amount_segment,
        items.amount_open * rates.rate as amount_open_segment,
        items.amount_disputed * rates.rate as amount_disputed_segment,
        -- Sales sold something: no rest of a clearing, no returned payment.
        {{ is_sale('items') }} as is_sale,
        items.item_class = 'invoice'
        and (
            items.document_type = 'DZ' or {{ is_of(['returned_payments'], 'items') }}
        ) as is_returned_payment,
        if(items.is_cleared, items.clearing_date, items.as_of_date) - items.due_date as days_late,
        items.due_date - items.document_date as terms_days,
        items.document_date
        > items.as_of_date - {{ var('credit_history_days') }} as is_of_history
    from {{ ref('fct_open_items') }} as items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
    inner join accounts
        on
            items.system_id = accounts.system_id
            and items.customer_id = accounts.customer_id
            and companies.credit_segment = accounts.credit_segment
    left join rates
        on
            items.currency_code = rates.source_currency_code
            and accounts.segment_currency = rates.target_currency_code
    where not items.is_reversed
),

-- An item tells of punctuality once it is paid, or as soon as it is overdue.
told as (
    select
        *,
        greatest(days_late, 0) * amount_segment as late_product,
        if(is_cleared, clearing_date, as_of_date) as told_date,
        told_date > as_of_date - {{ var('credit_trend_days') }} as is_recent
    from items
    where is_sale and not is_due_date_missing and (is_cleared or days_late > 0)
),

paid as (
    select
        system_id,
        customer_id,
        credit_segment,
        sum(late_product) / nullif(sum(amount_segment), 0) as days_late_average,
        sum(if(is_recent, late_product, null))
        / nullif(sum(if(is_recent, amount_segment, null)), 0) as days_late_recent,
        sum(if(is_recent, null, late_product))
        / nullif(sum(if(is_recent, null, amount_segment)), 0) as days_late_before,
        100 * coalesce(sum(amount_segment) filter (where days_late > 0), 0)
        / nullif(sum(amount_segment), 0) as late_by_value_percent,
        greatest(max(days_late), 0) as days_late_max
    from told
    where told_date > as_of_date - {{ var('credit_history_days') }}
    group by all
),

traded as (
    select
        system_id,
        customer_id,
        credit_segment,
        min(document_date) filter (where is_sale) as first_sale_date,
        max(as_of_date) as as_of_date,
        sum(if(is_sale and is_of_history, amount_segment, null)) as sales,
        count_if(is_sale and amount_segment is null) as missing_rates,
        median(
            if(is_sale and is_of_history and not is_due_date_missing, terms_days, null)
        ) as terms_days,
        count(distinct coalesce(external_key, item_key)) filter (
            where is_returned_payment and is_of_history
        ) as returned_payments,
        100 * sum(amount_disputed_segment)
        / nullif(sum(amount_open_segment) filter (where item_class = 'invoice'), 0)
            as disputed_percent
    from items
    group by all
),

joined as (
    select
        accounts.system_id,
        accounts.customer_id,
        accounts.customer,
        accounts.credit_segment,
        accounts.segment_currency,
        customers.country,
        paid.days_late_recent - paid.days_late_before as days_late_trend,
        paid.late_by_value_percent,
        paid.days_late_average,
        paid.days_late_max,
        accounts.utilisation * 100 as utilisation_percent,
        traded.disputed_percent,
        traded.returned_payments,
        traded.as_of_date - traded.first_sale_date as history_days,
        -- A younger customer's sales are spread over the days it has been one, a month at least.
        if(
            traded.missing_rates > 0, null,
            traded.sales * 30 / least(
                greatest(traded.as_of_date - traded.first_sale_date, 30),
                {{ var('credit_history_days') }}
            )
        ) as sales_monthly,
        traded.terms_days,
        accounts.as_of_date
    from accounts
    left join paid
        on
            accounts.system_id = paid.system_id
            and accounts.customer_id = paid.customer_id
            and accounts.credit_segment = paid.credit_segment
    left join traded
        on
            accounts.system_id = traded.system_id
            and accounts.customer_id = traded.customer_id
            and accounts.credit_segment = traded.credit_segment
    left join customers on accounts.customer_id = customers.customer_id
)

select * from joined
