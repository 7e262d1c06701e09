-- Limits and holds as Workday's customers show them, zero already told apart from none.
with systems as (
    select system_id from {{ source('config', 'systems') }}
    where kind = 'workday'
),

credit as (
    select * from {{ ref('fct_credit') }}
    where
        limit_reason <> 'no_credit_account'
        and system_id in (select systems.system_id from systems)
)

select
    system_id,
    customer || '/' || credit_segment as object_key,
    limit_kind,
    {{ money_text('limit_amount') }} as limit_amount,
    {{ bool_text('is_blocked') }} as is_blocked,
    block_reason,
    customer as native_id
from credit
