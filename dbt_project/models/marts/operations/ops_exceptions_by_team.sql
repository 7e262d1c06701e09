-- Open exceptions by the team that must act, technical apart from business.
with exceptions as (
    select * from {{ source('ledger', 'exceptions') }}
    where closed_at is null
),

run as (
    select * from {{ source('config', 'run') }}
)

select
    coalesce(exceptions.team, 'nobody') as team,
    exceptions.class,
    exceptions.code,
    exceptions.currency_code,
    count(*) as exceptions,
    cast(sum(exceptions.amount) as decimal(28, 6)) as amount,
    min(exceptions.opened_at) as oldest_opened_at,
    cast(
        max(greatest(epoch(run.started_at) - epoch(exceptions.opened_at), 0)) / 3600
        as decimal(18, 3)
    ) as age_hours_max
from exceptions
cross join run
group by all
