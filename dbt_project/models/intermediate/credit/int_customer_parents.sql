-- Which customer stands above which: the head office the ERP names. The roll-up itself, and what is
-- no hierarchy (circles), is the credit decision's.
with customers as (
    select * from {{ ref('int_erp_customers_united') }}
    where parent_customer is not null and not is_deleted
),

systems as (
    select * from {{ source('config', 'systems') }}
)

select
    customers.system_id,
    systems.key_prefix || '-' || customers.customer as customer_id,
    systems.key_prefix || '-' || customers.parent_customer as parent_customer_id
from customers
inner join systems on customers.system_id = systems.system_id
