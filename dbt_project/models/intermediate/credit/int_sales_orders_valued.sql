-- (Step 2/3) Orders with the part not yet invoiced, in the segment's currency. What is invoiced is
-- an open item, in whatever currency: each document counts in exactly one class.
with orders as (
    select * from {{ ref('int_erp_sales_orders_united') }}
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

customers as (
    select * from {{ ref('int_erp_customers_united') }}
),

limits as (
    select * from {{ ref('int_credit_limits_kinded') }}
),

rates as (
    select * from {{ ref('int_rates_crossed') }}
),

invoices as (
    select
        system_id,
        company_code,
        sales_document,
        currency_code,
        sum(amount_original) as amount
    from {{ ref('fct_open_items') }}
    where item_class = 'invoice' and not is_reversed and sales_document is not null
    group by all
),

invoiced as (
    select
        orders.system_id,
        orders.company_code,
        orders.sales_order,
        sum(
            if(
                invoices.currency_code = orders.currency_code, invoices.amount,
                {{ rounded_money('invoices.amount * rates.rate', 'orders.currency_code') }}
            )
        ) as amount
    from orders
    inner join invoices
        on
            orders.system_id = invoices.system_id
            and orders.company_code = invoices.company_code
            and orders.sales_order = invoices.sales_document
    left join rates
        on
            invoices.currency_code = rates.source_currency_code
            and orders.currency_code = rates.target_currency_code
    group by all
),

joined as (
    select
        orders.system_id,
        orders.sales_order,
        orders.company_code,
        companies.key_prefix || '-' || orders.customer as customer_id,
        companies.credit_segment,
        coalesce(limits.segment_currency, companies.group_currency) as segment_currency,
        orders.requested_date,
        orders.order_date,
        orders.amount,
        orders.currency_code,
        cast(
            greatest(orders.amount - coalesce(invoiced.amount, 0), 0) as decimal(28, 6)
        ) as amount_uninvoiced,
        orders.is_credit_blocked,
        orders.is_open,
        nullif(
            concat_ws(
                ';',
                orders.other_block,
                'customer:' || customers.order_block_reason,
                if(customers.is_posting_blocked, 'customer:posting', null)
            ), ''
        ) as other_block
    from orders
    inner join companies
        on
            orders.system_id = companies.system_id
            and orders.company_code = companies.company_code
    left join customers
        on orders.system_id = customers.system_id and orders.customer = customers.customer
    left join limits
        on
            orders.system_id = limits.system_id
            and orders.customer = limits.customer
            and companies.credit_segment = limits.credit_segment
    left join invoiced
        on
            orders.system_id = invoiced.system_id
            and orders.company_code = invoiced.company_code
            and orders.sales_order = invoiced.sales_order
),

valued as (
    select
        joined.*,
        {{ rounded_money('joined.amount_uninvoiced * rates.rate', 'joined.segment_currency') }}
            as amount_segment
    from joined
    left join rates
        on
            joined.currency_code = rates.source_currency_code
            and joined.segment_currency = rates.target_currency_code
)

select * from valued
