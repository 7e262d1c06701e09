-- Orders decided to be released, that is, approved; an order without a decision is absent.
with released as (
    select distinct
        credit.system_id,
        credit.sales_document
    from {{ source('decisions', 'credit') }} as credit
    inner join {{ source('config', 'systems') }} as systems on credit.system_id = systems.system_id
    where credit.action = 'release_order' and systems.kind = 'tryton'
),

orders as (
    select * from {{ ref('fct_sales_orders') }}
    where is_open
),

customers as (
    select * from {{ ref('dim_customers') }}
)

select
    orders.system_id,
    orders.sales_order as object_key,
    'false' as is_credit_blocked,
    'order-' || orders.sales_order as ctx_correlation_id,
    orders.system_id || '/' || orders.company_code || '/' || customers.customer as ctx_lane,
    orders.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    orders.company_code as ctx_company_code,
    orders.sales_order as ctx_document,
    orders.amount as ctx_amount,
    orders.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from released
inner join orders
    on released.system_id = orders.system_id and released.sales_document = orders.sales_order
inner join customers on orders.customer_id = customers.customer_id
