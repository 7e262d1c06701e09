with companies as (
    select * from {{ ref('int_companies_dated') }}
)

select
    system_id,
    company_code,
    company_currency_code as currency_code,
    credit_segment,
    key_prefix,
    group_currency,
    posting_open_from,
    closed_period,
    as_of_date
from companies
