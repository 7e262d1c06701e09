-- Limits and holds that were decided, of every ERP kind. A field nobody decided is null: the hub
-- has no opinion on it. Proposed limits are among them: the planner's rule lets them wait for a
-- person.
with credit as (
    select * from {{ source('decisions', 'credit') }}
    where action in ('set_limit', 'propose_limit', 'hold', 'unhold')
),

systems as (
    select * from {{ source('config', 'systems') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

decided as (
    select
        system_id,
        customer_id,
        customer,
        credit_segment,
        max(limit_kind) filter (
            where action in ('set_limit', 'propose_limit')
        ) as limit_kind,
        max(limit_amount) filter (
            where action in ('set_limit', 'propose_limit')
        ) as limit_amount,
        max(is_blocked) filter (where action in ('hold', 'unhold')) as is_blocked,
        max(block_reason) filter (where action in ('hold', 'unhold')) as block_reason,
        max(currency_code) as currency_code
    from credit
    group by all
)

select
    decided.system_id,
    systems.kind,
    decided.customer,
    decided.credit_segment,
    decided.customer || '/' || decided.credit_segment as object_key,
    decided.limit_kind,
    -- The kind carries the meaning; an amount stands only beside a granted limit.
    case decided.limit_kind
        when 'limited' then {{ money_text('decided.limit_amount') }}
        when 'none_granted' then '0'
    end as limit_amount,
    {{ bool_text('decided.is_blocked') }} as is_blocked,
    if(decided.is_blocked, decided.block_reason, null) as block_reason,
    'credit-' || decided.customer_id || '-' || decided.credit_segment as ctx_correlation_id,
    decided.system_id || '/' || decided.credit_segment || '/' || decided.customer as ctx_lane,
    decided.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    cast(null as varchar) as ctx_company_code,
    decided.customer as ctx_document,
    decided.limit_amount as ctx_amount,
    decided.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from decided
inner join systems on decided.system_id = systems.system_id
left join customers on decided.customer_id = customers.customer_id
