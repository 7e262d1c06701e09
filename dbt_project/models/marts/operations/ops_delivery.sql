-- How delivery goes per target object: success, backlog, time from plan to the target's last word,
-- and time from the source's change to it where the source says when it changed: a bank file does,
-- and its receipt's correlation id runs through every command that it causes.
with commands as (
    select
        *,
        state in ('verified', 'rejected', 'dead', 'superseded', 'void') as is_final,
        epoch(updated_at) - epoch(planned_at) as seconds
    from {{ source('ledger', 'commands') }}
),

received as (
    select
        'rcpt-' || entries.receipt_id as correlation_id,
        min(files.received_at) as received_at
    from {{ ref('stg_bank_files__entries') }} as entries
    inner join {{ ref('stg_bank_files__statements') }} as statements
        on
            entries.system_id = statements.system_id
            and entries.statement_id = statements.statement_id
    inner join {{ ref('stg_bank_files__files') }} as files
        on statements.system_id = files.system_id and statements.file_sha256 = files.file_sha256
    group by all
),

run as (
    select * from {{ source('config', 'run') }}
),

timed as (
    select
        commands.*,
        {{ team_of('commands.object_name') }} as team,
        if(
            commands.planned_at >= received.received_at,
            epoch(commands.updated_at) - epoch(received.received_at), null
        ) as seconds_from_source,
        greatest(epoch(run.started_at) - epoch(commands.planned_at), 0) / 3600 as age_hours
    from commands
    cross join run
    left join received on commands.correlation_id = received.correlation_id
)

select
    system_id,
    kind,
    object_name,
    team,
    count(*) as commands,
    cast(count_if(state = 'verified') as bigint) as verified,
    cast(count_if(state = 'rejected') as bigint) as rejected,
    cast(count_if(state = 'dead') as bigint) as dead,
    cast(count_if(not is_final) as bigint) as backlog,
    cast(count_if(state = 'awaiting_approval') as bigint) as awaiting_approval,
    cast(
        count_if(state = 'verified')
        / nullif(count_if(state in ('verified', 'rejected', 'dead')), 0)
        as decimal(9, 6)
    ) as success_rate,
    {% for column, name in [
        ('seconds', 'seconds_to_effect'), ('seconds_from_source', 'seconds_from_source')
    ] %}
        cast(
            quantile_cont({{ column }}, 0.5) filter (where state = 'verified') as decimal(18, 3)
        ) as {{ name }}_median,
        cast(
            quantile_cont({{ column }}, 0.95) filter (where state = 'verified') as decimal(18, 3)
        ) as {{ name }}_p95,
    {% endfor %}
    cast(max(age_hours) filter (where not is_final) as decimal(18, 3)) as backlog_age_hours_max
from timed
group by all
