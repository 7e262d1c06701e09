-- Orders decided to be released, of every ERP kind; an order without a decision is absent: nothing
-- is wanted of it.
with released as (
    select distinct
        system_id,
        sales_document
    from {{ source('decisions', 'credit') }}
    where action = 'release_order'
),

systems as (
    select * from {{ source('config', 'systems') }}
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
    systems.kind,
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
inner join systems on released.system_id = systems.system_id
inner join orders
    on released.system_id = orders.system_id and released.sales_document = orders.sales_order
inner join customers on orders.customer_id = customers.customer_id
