-- Decided deductions to post, of every ERP kind: a credit memo for a valid one, a write-off for one
-- nobody will pay; one posting per decision and line. What people or bands did not agree to yet
-- waits for a person.
with decided as (
    select * from {{ source('decisions', 'deductions') }}
    where action in ('propose_credit_memo', 'write_off') and amount > 0
),

systems as (
    select * from {{ source('config', 'systems') }}
),

items as (
    select * from {{ ref('fct_open_items') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    decided.system_id,
    systems.kind,
    decided.decision_id as object_key,
    decided.company_code,
    items.customer,
    if(decided.action = 'write_off', 'write_off', 'credit_memo') as posting_kind,
    {{ money_text('decided.amount') }} as amount,
    decided.currency_code,
    {{ date_text('items.as_of_date') }} as posting_date,
    items.accounting_document as invoice_document,
    items.invoice_number,
    coalesce(decided.reason_code, 'OTHER') as reason_code,
    concat_ws(' ', decided.dispute_id, decided.external_code) as item_text,
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
inner join systems on decided.system_id = systems.system_id
inner join items
    on
        decided.system_id = items.system_id
        and decided.item_key = items.item_key
        and decided.company_code = items.company_code
        and decided.currency_code = items.currency_code
left join customers on items.customer_id = customers.customer_id
