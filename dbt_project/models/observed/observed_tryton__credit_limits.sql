-- Limits as Tryton's parties show them.
with credit as (
    select credit.*
    from {{ ref('fct_credit') }} as credit
    inner join {{ source('config', 'systems') }} as systems on credit.system_id = systems.system_id
    where credit.limit_reason <> 'no_credit_account' and systems.kind = 'tryton'
)

select
    system_id,
    customer || '/' || credit_segment as object_key,
    limit_kind,
    {{ money_text('limit_amount') }} as limit_amount,
    customer || '/' || credit_segment as native_id
from credit
