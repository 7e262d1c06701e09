-- Customers in the shape of every ERP. Their number is the entity id, the one that people see.
with customers as (
    select * from {{ source('netsuite_raw', 'customers') }}
),

deleted as (
    select
        system_id,
        recordid
    from {{ source('netsuite_raw', 'deleted_records') }}
    where lower(replace(type, ' ', '')) in ('customer', 'custjob')
),

companies as (
    select
        system_id,
        entity,
        list(distinct subsidiary order by subsidiary) as company_codes
    from {{ source('netsuite_raw', 'customer_subsidiaries') }}
    group by system_id, entity
)

select
    customers.system_id,
    upper(customers.entityid) as customer,
    coalesce(customers.companyname, customers.altname, customers.entityid) as name,
    customers.addr1 as street,
    customers.city,
    customers.zip as postal_code,
    customers.country,
    customers.vatregnumber as tax_id,
    upper(customers.parententityid) as parent_customer,
    customers.termname as payment_terms,
    coalesce(companies.company_codes, []) as company_codes,
    cast(null as varchar) as order_block_reason,
    coalesce(customers.isinactive = 'T', false) as is_posting_blocked,
    coalesce(customers.isinactive = 'T', false) as is_order_blocked,
    deleted.recordid is not null as is_deleted
from customers
left join companies
    on customers.system_id = companies.system_id and customers.id = companies.entity
left join deleted
    on customers.system_id = deleted.system_id and customers.id = deleted.recordid
