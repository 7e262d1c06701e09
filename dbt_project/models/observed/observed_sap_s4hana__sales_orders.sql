-- Orders and whether the ERP's credit check holds them.
with orders as (
    select * from {{ ref('fct_sales_orders') }}
)

select
    system_id,
    sales_order as object_key,
    {{ bool_text('is_credit_blocked') }} as is_credit_blocked,
    sales_order as native_id
from orders
where system_id in (
    select systems.system_id from {{ source('config', 'systems') }} as systems
    where systems.kind = 'sap_s4hana'
)
