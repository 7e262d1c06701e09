-- Hub customers: one row per ERP customer, with the name, address and blocks the ERP shows.
with customers as (
    select * from {{ ref('int_erp_customers_united') }}
),

systems as (
    select * from {{ source('config', 'systems') }}
),

mapped as (
    select
        systems.key_prefix || '-' || customers.customer as customer_id,
        customers.system_id,
        customers.customer,
        customers.name,
        customers.street,
        customers.city,
        customers.postal_code,
        customers.country,
        customers.tax_id,
        systems.key_prefix || '-' || customers.parent_customer as parent_customer_id,
        customers.is_order_blocked,
        customers.is_deleted,
        customers.payment_terms
    from customers
    inner join systems on customers.system_id = systems.system_id
)

select * from mapped
