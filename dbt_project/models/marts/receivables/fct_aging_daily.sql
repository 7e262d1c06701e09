{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    pre_hook="{{ forget_days(ref('dim_legal_entities'), ['system_id', 'company_code', 'as_of_date']) }}"
) }}
-- The aging of every day that a run stated; the last run of a day wins and signs with its id.
with aging as (
    select * from {{ ref('fct_aging') }}
),

companies as (
    select * from {{ ref('dim_legal_entities') }}
),

run as (
    select * from {{ source('config', 'run') }}
)

select
    aging.*,
    run.run_id
from aging
inner join companies
    on aging.system_id = companies.system_id and aging.company_code = companies.company_code
cross join run
