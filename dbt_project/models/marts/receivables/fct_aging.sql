with items as (
    select * from {{ ref('fct_open_items') }}
    where amount_open <> 0 or amount_open_company <> 0
),

summed as (
    select
        system_id,
        company_code,
        customer_id,
        customer,
        currency_code,
        company_currency_code,
        {% for column, bucket in [
            ('amount_current', 'Current'), ('amount_1_30', '1-30'), ('amount_31_60', '31-60'),
            ('amount_61_90', '61-90'), ('amount_91_120', '91-120'), ('amount_over_120', '121+')
        ] %}
            sum(if(aging_bucket = '{{ bucket }}', amount_open, 0)) as {{ column }},
        {% endfor %}
        sum(if(item_class = 'credit', amount_open, 0)) as amount_credits,
        sum(if(item_class = 'unapplied_cash', amount_open, 0)) as amount_unapplied,
        sum(amount_open) as amount_net,
        sum(if(item_class = 'invoice' and days_past_due > 0, amount_open, 0)) as amount_overdue,
        coalesce(sum(amount_disputed), 0) as amount_disputed,
        sum(if(item_class = 'invoice', amount_open_company, 0)) as amount_gross_company,
        sum(if(item_class = 'credit', amount_open_company, 0)) as amount_credits_company,
        sum(if(item_class = 'unapplied_cash', amount_open_company, 0)) as amount_unapplied_company,
        sum(amount_open_company) as amount_net_company,
        max(as_of_date) as as_of_date
    from items
    group by all
)

select
    system_id,
    company_code,
    customer_id,
    customer,
    currency_code,
    {% for column in [
        'amount_current', 'amount_1_30', 'amount_31_60', 'amount_61_90', 'amount_91_120',
        'amount_over_120', 'amount_credits', 'amount_unapplied', 'amount_net', 'amount_overdue',
        'amount_disputed'
    ] %}
        cast({{ column }} as decimal(28, 6)) as {{ column }},
    {% endfor %}
    company_currency_code,
    {% for column in [
        'amount_gross_company', 'amount_credits_company', 'amount_unapplied_company',
        'amount_net_company'
    ] %}
        cast({{ column }} as decimal(28, 6)) as {{ column }},
    {% endfor %}
    as_of_date
from summed
