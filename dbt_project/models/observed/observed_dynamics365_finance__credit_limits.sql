-- Limits and holds as Dynamics 365's customers show them, per company.
with segments as (
    select
        system_id,
        credit_segment,
        min(company_code) as company_code
    from {{ source('config', 'companies') }}
    group by all
),

credit as (
    select credit.*
    from {{ ref('fct_credit') }} as credit
    inner join {{ source('config', 'systems') }} as systems on credit.system_id = systems.system_id
    where credit.limit_reason <> 'no_credit_account' and systems.kind = 'dynamics365_finance'
)

select
    credit.system_id,
    credit.customer || '/' || segments.company_code as object_key,
    credit.limit_kind,
    {{ money_text('credit.limit_amount') }} as limit_amount,
    {{ bool_text('credit.is_blocked') }} as is_blocked,
    credit.customer || '/' || segments.company_code as native_id
from credit
inner join segments
    on
        credit.system_id = segments.system_id
        and credit.credit_segment = segments.credit_segment
