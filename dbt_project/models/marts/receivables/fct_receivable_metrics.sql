-- How fast a company's customers pay, as of its date and in its own currency. Everything is gross:
-- invoices with their tax, before credits and cash on account, because receivables hold them so.
{% set window_days = var('metrics_window_days') %}
with companies as (
    select * from {{ ref('dim_legal_entities') }}
),

items as (
    select
        *,
        coalesce({{ is_sale() }}, false) as is_sale,
        -- An item counts as open on a day when it was there and not yet cleared at its end.
        coalesce(clearing_date, date '9999-12-31') as open_until_date,
        date_trunc('month', as_of_date) as month_start_date,
        as_of_date - {{ window_days }} as window_start_date
    from {{ ref('fct_open_items') }}
    where not is_reversed
),

summed as (
    select
        system_id,
        company_code,
        sum(amount_open_company) filter (where item_class = 'invoice') as ar_end,
        sum(amount_open_company) as ar_end_net,
        sum(amount_open_company) filter (where aging_bucket = 'Current') as ar_current,
        sum(amount_open_company) filter (where item_class = 'unapplied_cash') as unapplied_cash,
        sum(amount_original_company) filter (
            where item_class = 'invoice'
            and posting_date <= window_start_date and open_until_date > window_start_date
        ) as ar_window_start,
        sum(amount_original_company) filter (
            where item_class = 'invoice'
            and posting_date < month_start_date and open_until_date >= month_start_date
        ) as ar_month_start,
        sum(amount_original_company) filter (
            where is_sale and posting_date > window_start_date
        ) as credit_sales,
        sum(amount_original_company) filter (
            where is_sale and posting_date >= month_start_date
        ) as credit_sales_month,
        sum(amount_original_company) filter (
            where is_sale and is_cleared and clearing_date > window_start_date
        ) as amount_cleared,
        sum(amount_original_company * greatest(clearing_date - due_date, 0)) filter (
            where is_sale and is_cleared and clearing_date > window_start_date
        ) as amount_days_late
    from items
    group by all
),

-- A company without items has zeros, not nulls: it owes nothing and sold nothing.
stated as (
    select
        companies.system_id,
        companies.company_code,
        companies.currency_code as company_currency_code,
        companies.as_of_date,
        {% for column in [
            'ar_end', 'ar_end_net', 'ar_current', 'unapplied_cash', 'ar_window_start',
            'ar_month_start', 'credit_sales', 'credit_sales_month', 'amount_cleared',
            'amount_days_late'
        ] %}
            coalesce(summed.{{ column }}, 0) as {{ column }},
        {% endfor %}
        counted_back.dso_count_back
    from companies
    left join summed
        on
            companies.system_id = summed.system_id
            and companies.company_code = summed.company_code
    left join {{ ref('int_sales_counted_back') }} as counted_back
        on
            companies.system_id = counted_back.system_id
            and companies.company_code = counted_back.company_code
)

select
    system_id,
    company_code,
    company_currency_code,
    cast({{ window_days }} as integer) as window_days,
    {% for column in [
        'ar_end', 'ar_end_net', 'ar_current', 'unapplied_cash', 'ar_window_start', 'ar_month_start',
        'credit_sales', 'credit_sales_month', 'amount_cleared'
    ] %}
        cast({{ column }} as decimal(28, 6)) as {{ column }},
    {% endfor %}
    {{ ratio('ar_end * ' ~ window_days, 'credit_sales') }} as dso,
    {{ ratio('ar_current * ' ~ window_days, 'credit_sales') }} as dso_best_possible,
    {{ ratio('(ar_end - ar_current) * ' ~ window_days, 'credit_sales') }}
        as days_delinquent_average,
    {{ ratio('amount_days_late', 'amount_cleared') }} as days_late_weighted,
    cast(dso_count_back as decimal(38, 6)) as dso_count_back,
    {{ ratio(
        '(ar_month_start + credit_sales_month - ar_end) * 100',
        'ar_month_start + credit_sales_month - ar_current'
    ) }} as collection_effectiveness_percent,
    {{ ratio('credit_sales * 2', 'ar_window_start + ar_end') }} as ar_turnover,
    {{ ratio('ar_current * 100', 'ar_end') }} as current_percent,
    {{ ratio('-unapplied_cash', 'ar_end') }} as unapplied_cash_ratio,
    as_of_date
from stated
