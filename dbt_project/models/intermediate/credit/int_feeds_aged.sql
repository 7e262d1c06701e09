-- How old each ERP's newest reading is. Credit accounts and balances are read whole on every pass,
-- so their age is the feed's age even when nothing changed; the older of credit and receivables
-- counts.
with loaded as (
    select
        system_id,
        'credit' as feed,
        max(loaded_at) as loaded_at
    from {{ ref('stg_sap_s4hana__credit_accounts') }}
    group by system_id
    union all
    select
        system_id,
        'receivables' as feed,
        max(loaded_at) as loaded_at
    from {{ ref('stg_sap_s4hana__gl_balances') }}
    group by system_id
    union all
    select
        system_id,
        'receivables' as feed,
        max(loaded_at) as loaded_at
    from {{ ref('stg_sap_s4hana__operational_items') }}
    group by system_id
),

newest as (
    select
        system_id,
        feed,
        max(loaded_at) as loaded_at
    from loaded
    group by all
),

aged as (
    select
        newest.system_id,
        min(newest.loaded_at) as loaded_at,
        min(newest.loaded_at)
        < max(run.started_at) - to_hours({{ var('feed_stale_after_hours') }}) as is_stale
    from newest
    cross join {{ source('config', 'run') }} as run
    group by newest.system_id
)

select * from aged
