-- Sales orders with their credit status and other blocks, in the shape of every ERP. The list of
-- blocked documents is read more often than the orders: where it is newer it decides.
with orders as (
    select * from {{ ref('stg_sap_s4hana__sales_orders') }}
),

listed as (
    select * from {{ ref('stg_sap_s4hana__credit_blocked_documents') }}
    where total_credit_check_status = 'B'
)

select
    orders.system_id,
    orders.sales_organization as company_code,
    orders.sales_order,
    orders.sold_to_party as customer,
    orders.requested_delivery_date as requested_date,
    orders.sales_order_date as order_date,
    orders.total_net_amount as amount,
    orders.transaction_currency as currency_code,
    coalesce(orders.total_credit_check_status = 'B', false)
    or coalesce(listed.loaded_at > orders.loaded_at, false) as is_credit_blocked,
    coalesce(orders.overall_process_status, '') <> 'C' as is_open,
    nullif(
        concat_ws(
            ';',
            'delivery:' || orders.delivery_block_reason,
            'billing:' || orders.header_billing_block_reason
        ), ''
    ) as other_block
from orders
left join listed
    on orders.system_id = listed.system_id and orders.sales_order = listed.sales_document
