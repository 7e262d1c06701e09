with orders as (
    select * from {{ ref('int_sales_orders_valued') }}
)

select
    system_id,
    sales_order,
    company_code,
    customer_id,
    credit_segment,
    requested_date,
    order_date,
    amount,
    amount_uninvoiced,
    currency_code,
    amount_segment,
    segment_currency,
    is_credit_blocked,
    is_open,
    other_block
from orders
