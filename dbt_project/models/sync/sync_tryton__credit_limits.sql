-- Limits that were decided. Tryton has no hold: a decided one stays in the hub.
with systems as (
    select * from {{ source('config', 'systems') }}
    where kind = 'tryton'
),

decided as (
    select
        credit.system_id,
        credit.customer_id,
        credit.customer,
        credit.credit_segment,
        max(credit.limit_kind) as limit_kind,
        max(credit.limit_amount) as limit_amount,
        max(credit.currency_code) as currency_code
    from {{ source('decisions', 'credit') }} as credit
    inner join systems on credit.system_id = systems.system_id
    where credit.action = 'set_limit'
    group by all
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    decided.system_id,
    decided.customer || '/' || decided.credit_segment as object_key,
    decided.limit_kind,
    -- The kind carries the meaning; an amount stands only beside a granted limit.
    case decided.limit_kind
        when 'limited' then {{ money_text('decided.limit_amount') }}
        when 'none_granted' then '0'
    end as limit_amount,
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
left join customers on decided.customer_id = customers.customer_id
