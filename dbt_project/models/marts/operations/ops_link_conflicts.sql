-- CRM accounts with an ERP number that does not identify exactly one customer, and why.
with links as (
    select * from {{ ref('int_customer_links_matched') }}
    where conflict is not null
)

select
    system_id,
    native_id,
    account_name,
    erp_customer_number,
    customer_id,
    conflict,
    cast(account_count as bigint) as account_count,
    cast(customer_count as bigint) as customer_count
from links
