-- Orders, and quotations that credit holds.
select
    orders.system_id,
    orders.sales_order as object_key,
    {{ bool_text('orders.is_credit_blocked') }} as is_credit_blocked,
    orders.sales_order as native_id
from {{ ref('fct_sales_orders') }} as orders
inner join {{ source('config', 'systems') }} as systems on orders.system_id = systems.system_id
where systems.kind = 'tryton'
