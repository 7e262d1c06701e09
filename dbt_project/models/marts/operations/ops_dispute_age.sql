-- Disputes that wait, by company, currency, reason and status: how many, how old, how late; and how
-- long those that ended took.
with lines as (
    select * from {{ ref('fct_disputes') }}
    where status <> 'void'
)

select
    system_id,
    company_code,
    currency_code,
    reason_code,
    if(is_living, status, 'ended') as status,
    'deductions' as team,
    count(distinct dispute_id) as disputes,
    cast(sum(amount_claimed) as decimal(28, 6)) as amount_claimed,
    count(distinct if(is_overdue, dispute_id, null)) as disputes_overdue,
    cast(sum(if(is_overdue, amount_claimed, 0)) as decimal(28, 6)) as amount_overdue,
    max(age_days) as age_days_max,
    cast(avg(cycle_days) as decimal(28, 2)) as cycle_days_average
from lines
group by all
