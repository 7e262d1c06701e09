-- Limits and holds as the ERP's credit accounts show them, the zero amount already told apart.
with credit as (
    select * from {{ ref('fct_credit') }}
    where limit_reason <> 'no_credit_account'
)

select
    system_id,
    customer || '/' || credit_segment as object_key,
    limit_kind,
    {{ money_text('limit_amount') }} as limit_amount,
    {{ bool_text('is_blocked') }} as is_blocked,
    block_reason,
    customer || '/' || credit_segment as native_id
from credit
where system_id in (
    select systems.system_id from {{ source('config', 'systems') }} as systems
    where systems.kind = 'sap_s4hana'
)
