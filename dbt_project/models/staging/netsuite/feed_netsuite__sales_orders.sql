-- Sales orders in the shape of every ERP. NetSuite has no block of its own on an order: one of a
-- customer on hold or above the limit waits for approval (A).
with orders as (
    select
        *,
        split_part(status, ':', -1) as order_status
    from {{ source('netsuite_raw', 'sales_orders') }}
),

deleted as (
    select
        system_id,
        recordid
    from {{ source('netsuite_raw', 'deleted_records') }}
    where lower(replace(type, ' ', '')) in ('salesorder', 'salesord')
)

select
    orders.system_id,
    orders.subsidiary as company_code,
    orders.id as sales_order,
    upper(orders.entityid) as customer,
    coalesce(orders.shipdate, orders.trandate) as requested_date,
    orders.trandate as order_date,
    orders.foreigntotal as amount,
    orders.currencysymbol as currency_code,
    coalesce(orders.order_status = 'A', false) as is_credit_blocked,
    coalesce(orders.order_status, '') not in ('C', 'G', 'H') as is_open,
    cast(null as varchar) as other_block
from orders
anti join deleted
    on orders.system_id = deleted.system_id and orders.id = deleted.recordid
