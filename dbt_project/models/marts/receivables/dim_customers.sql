with customers as (
    select * from {{ ref('int_customers_mapped') }}
)

select
    customer_id,
    system_id,
    customer,
    name,
    country,
    city,
    postal_code,
    is_order_blocked,
    is_deleted,
    payment_terms
from customers
