-- Credit limits of each company with what they mean, in the shape of every ERP: without an amount
-- Tryton checks nothing; zero refuses every order. Tryton has no credit hold.
with credit as (
    select * from {{ source('tryton_raw', 'credit') }}
),

companies as (
    select * from {{ source('config', 'companies') }}
)

select
    credit.system_id,
    credit.code as customer,
    companies.credit_segment,
    companies.currency_code as segment_currency,
    case
        when credit.credit_limit_amount is null then 'unlimited'
        when credit.credit_limit_amount = 0 then 'none_granted'
        else 'limited'
    end as limit_kind,
    case
        when credit.credit_limit_amount is null then 'no_limit_set'
        when credit.credit_limit_amount = 0 then 'zero_limit_set'
        else 'limit_set'
    end as limit_reason,
    credit.credit_limit_amount as limit_amount,
    cast(null as date) as limit_valid_until,
    false as is_blocked,
    cast(null as varchar) as block_reason,
    cast(null as varchar) as risk_class,
    credit._loaded_at as loaded_at
from credit
inner join companies
    on
        credit.system_id = companies.system_id
        and cast(credit.company as varchar) = companies.company_code
where credit.code is not null
