{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    pre_hook="{{ forget_days(source('config', 'run'), ['as_of_date']) }}"
) }}
-- Exposure and limit of every day that a run stated; the last run of a day wins and signs with its
-- id.
with credit as (
    select * from {{ ref('fct_credit') }}
),

run as (
    select * from {{ source('config', 'run') }}
)

select
    credit.* exclude (limit_reason, feed_is_stale, credit_loaded_at),
    run.run_id
from credit
cross join run
