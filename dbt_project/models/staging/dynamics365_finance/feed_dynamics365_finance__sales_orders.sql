-- Sales orders with their credit hold, in the shape of every ERP. Numbers are a company's own, so
-- the company goes before them.
with line_sums as (
    select
        system_id,
        dataAreaId,
        SalesOrderNumber,
        sum(LineAmount) as amount
    from {{ source('dynamics365_finance_raw', 'sales_order_lines') }}
    where SalesOrderLineStatus <> 'Canceled'
    group by all
)

select
    orders.system_id,
    upper(orders.dataAreaId) as company_code,
    upper(orders.dataAreaId) || '-' || orders.SalesOrderNumber as sales_order,
    upper(trim(orders.OrderingCustomerAccountNumber)) as customer,
    {{ d365_date('orders.RequestedShippingDate') }} as requested_date,
    {{ d365_date('orders.OrderCreationDateTime') }} as order_date,
    cast(coalesce(line_sums.amount, 0) as decimal(28, 6)) as amount,
    orders.CurrencyCode as currency_code,
    coalesce(holds.HoldStatus = 'OnHold', false) as is_credit_blocked,
    orders.SalesOrderStatus not in ('Invoiced', 'Canceled') as is_open,
    if(holds.HoldStatus = 'Rejected', 'credit:rejected', null) as other_block
from {{ source('dynamics365_finance_raw', 'sales_orders') }} as orders
left join line_sums
    on
        orders.system_id = line_sums.system_id
        and orders.dataAreaId = line_sums.dataAreaId
        and orders.SalesOrderNumber = line_sums.SalesOrderNumber
left join {{ source('dynamics365_finance_raw', 'order_holds') }} as holds
    on
        orders.system_id = holds.system_id
        and orders.dataAreaId = holds.dataAreaId
        and orders.SalesOrderNumber = holds.SalesOrderNumber
