-- Where a target differs from what it should hold, in words for people: what it costs, since when,
-- why, who must act, and what explains it (a proposal, an approval, an exception) if anything does.
with differences as (
    select * from {{ source('plan', 'differences') }}
    where action <> 'none'
),

commands as (
    select
        system_id,
        object_name,
        business_key,
        min(planned_at) as planned_at,
        bool_or(state = 'awaiting_approval') as is_awaiting_approval
    from {{ source('ledger', 'commands') }}
    where state not in ('verified', 'rejected', 'dead', 'superseded', 'void')
    group by all
),

exceptions as (
    select
        system_id,
        object_name,
        object_key,
        min(opened_at) as opened_at,
        min(team) as team
    from {{ source('ledger', 'exceptions') }}
    where closed_at is null
    group by all
),

run as (
    select * from {{ source('config', 'run') }}
),

explained as (
    select
        differences.*,
        exceptions.team,
        least(differences.planned_at, commands.planned_at, exceptions.opened_at) as known_since,
        run.started_at,
        case differences.class
            when 'create' then 'missing in the target'
            when 'initial' then 'never written by the hub'
            when 'update' then 'the hub knows a newer value'
            when 'foreign_edit' then 'changed by somebody else in the target'
            when 'vanished' then 'gone from the target'
            when 'posting' then 'not yet posted'
            else differences.class
        end as cause,
        case
            when exceptions.object_key is not null then 'exception'
            when commands.is_awaiting_approval then 'approval'
            when differences.action in ('review', 'wait') then 'proposal'
        end as explained_by
    from differences
    cross join run
    left join commands
        on
            differences.system_id = commands.system_id
            and differences.object_name = commands.object_name
            and differences.object_key = commands.business_key
    left join exceptions
        on
            differences.system_id = exceptions.system_id
            and differences.object_name = exceptions.object_name
            and differences.object_key = exceptions.object_key
)

select
    system_id,
    kind,
    object_name,
    object_key,
    field,
    desired,
    acknowledged,
    observed,
    class,
    action,
    rule,
    cause,
    coalesce(team, {{ team_of('object_name') }}) as owner,
    explained_by,
    explained_by is not null as is_explained,
    correlation_id,
    customer_id,
    customer_name,
    company_code,
    document,
    cast(amount as decimal(28, 6)) as amount,
    currency_code,
    known_since,
    cast(greatest(date_diff('hour', known_since, started_at), 0) as bigint) as age_hours,
    coalesce(
        date_diff('hour', known_since, started_at) >= {{ var('drift_old_after_hours') }}, false
    ) as is_old
from explained
