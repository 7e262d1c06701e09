-- Every configured company with the dates and currencies its figures are stated in.
with companies as (
    select * from {{ source('config', 'companies') }}
),

systems as (
    select * from {{ source('config', 'systems') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

dated as (
    select
        companies.system_id,
        systems.kind,
        systems.key_prefix,
        companies.company_code,
        companies.currency_code as company_currency_code,
        companies.credit_segment,
        run.group_currency,
        companies.posting_open_from,
        coalesce(
            (
                select max(posting.closed_period)
                from {{ source('policy', 'posting') }} as posting
            ), 'first_open_day'
        ) as closed_period,
        coalesce(companies.as_of_date, run.as_of_date) as as_of_date,
        run.started_at
    from companies
    inner join systems on companies.system_id = systems.system_id
    cross join run
)

select * from dated
