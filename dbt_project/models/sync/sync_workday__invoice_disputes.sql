-- What is disputed of an invoice: the sum of its living disputes; nothing once all are closed.
with systems as (
    select system_id from {{ source('config', 'systems') }}
    where kind = 'workday'
),

disputes as (
    select * from {{ ref('fct_disputes') }}
    where system_id in (select systems.system_id from systems)
),

summed as (
    select
        current_item_key as item_key,
        sum(amount_claimed) filter (where is_living) as amount,
        min(cast(opened_at at time zone 'UTC' as date)) filter (where is_living) as opened_date,
        arg_max(reason_code, amount_claimed) filter (where is_living) as reason_code,
        arg_max(dispute_id, opened_at) as dispute_id
    from disputes
    group by current_item_key
),

items as (
    select * from {{ ref('fct_open_items') }}
    where item_class = 'invoice'
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    items.system_id,
    items.accounting_document as object_key,
    -- `least` passes over a null, so nothing disputed must stay nothing.
    case
        when summed.amount is not null
            then {{ money_text('least(summed.amount, items.amount_original)') }}
    end as dispute_amount,
    {{ date_text('summed.opened_date') }} as dispute_date,
    summed.reason_code as dispute_reason,
    'dispute-' || summed.dispute_id as ctx_correlation_id,
    items.system_id || '/' || items.company_code || '/' || items.customer as ctx_lane,
    items.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    items.company_code as ctx_company_code,
    items.invoice_number as ctx_document,
    summed.amount as ctx_amount,
    items.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from summed
inner join items on summed.item_key = items.item_key
left join customers on items.customer_id = customers.customer_id
