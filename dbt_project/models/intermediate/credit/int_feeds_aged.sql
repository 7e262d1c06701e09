-- How old each system's last whole reading is. The reading itself counts, not its rows: a row that
-- did not change keeps the time it was first loaded, and a quiet weekend is no dead feed. What a
-- reading could not be trusted with (a vanished column) makes it stale at once.
with reads as (
    select * from {{ source('config', 'reads') }}
),

aged as (
    select
        reads.system_id,
        reads.read_at as loaded_at,
        coalesce(reads.problem, '') <> ''
        or reads.read_at
        < run.started_at - to_hours({{ var('feed_stale_after_hours') }}) as is_stale
    from reads
    cross join {{ source('config', 'run') }} as run
)

select * from aged
