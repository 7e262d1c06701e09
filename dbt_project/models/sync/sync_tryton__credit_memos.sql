-- Decided deductions to post: a credit note for each, applied to the invoice that it is about.
with decided as (
    select deductions.*
    from {{ source('decisions', 'deductions') }} as deductions
    inner join {{ source('config', 'systems') }} as systems
        on deductions.system_id = systems.system_id
    where
        systems.kind = 'tryton'
        and deductions.action in ('propose_credit_memo', 'write_off')
        and deductions.amount > 0
),

items as (
    select * from {{ ref('fct_open_items') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    decided.system_id,
    decided.decision_id as object_key,
    decided.company_code,
    items.customer,
    if(decided.action = 'write_off', 'write_off', 'credit_memo') as posting_kind,
    {{ money_text('decided.amount') }} as amount,
    decided.currency_code,
    {{ date_text('items.as_of_date') }} as posting_date,
    {{ date_text('items.as_of_date') }} as document_date,
    coalesce(decided.reason_code, 'OTHER') as reason_code,
    items.invoice_number,
    left(concat_ws(' ', decided.dispute_id, decided.external_code), 80) as item_text,
    {{ bool_text('coalesce(decided.approved, false)') }} as is_agreed,
    'dispute-' || decided.dispute_id as ctx_correlation_id,
    decided.system_id || '/' || decided.company_code || '/' || items.customer as ctx_lane,
    items.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    decided.company_code as ctx_company_code,
    items.invoice_number as ctx_document,
    decided.amount as ctx_amount,
    decided.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from decided
inner join items
    on
        decided.system_id = items.system_id
        and decided.item_key = items.item_key
        and decided.company_code = items.company_code
        and decided.currency_code = items.currency_code
left join customers on items.customer_id = customers.customer_id
