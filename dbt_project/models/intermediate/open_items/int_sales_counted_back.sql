-- Count-back DSO: how many days of sales, newest month first, what is open stands for. Whole months
-- count with all their days, the last one in part. Null when all known sales are less than what is
-- open: the answer then lies before the first invoice we hold.
with companies as (
    select * from {{ ref('dim_legal_entities') }}
),

open_amounts as (
    select
        system_id,
        company_code,
        sum(amount_gross_company) as amount_open
    from {{ ref('fct_aging') }}
    group by all
),

months as (
    select
        system_id,
        company_code,
        date_trunc('month', posting_date) as month_start_date,
        least(last_day(posting_date), as_of_date) as month_end_date,
        max(as_of_date) as as_of_date,
        sum(amount_original_company) as sales
    from {{ ref('fct_open_items') }}
    where {{ is_sale() }}
    group by all
),

counted as (
    select
        months.*,
        open_amounts.amount_open,
        coalesce(
            sum(months.sales) over (
                partition by months.system_id, months.company_code
                order by months.month_start_date desc
                rows between unbounded preceding and 1 preceding
            ), 0
        ) as sales_after
    from months
    inner join open_amounts
        on
            months.system_id = open_amounts.system_id
            and months.company_code = open_amounts.company_code
),

-- The month in which the last of the open amount was sold.
reached as (
    select
        system_id,
        company_code,
        as_of_date - month_end_date
        + cast(amount_open - sales_after as double) / cast(sales as double)
        * (date_diff('day', month_start_date, month_end_date) + 1) as days
    from counted
    where sales_after < amount_open and amount_open <= sales_after + sales
)

select
    companies.system_id,
    companies.company_code,
    case
        when coalesce(open_amounts.amount_open, 0) = 0 then 0
        else cast(reached.days as decimal(38, 6))
    end as dso_count_back
from companies
left join open_amounts
    on
        companies.system_id = open_amounts.system_id
        and companies.company_code = open_amounts.company_code
left join reached
    on
        companies.system_id = reached.system_id
        and companies.company_code = reached.company_code
