-- Customers in the shape of every ERP. Workday keeps a customer for the whole tenant: its companies
-- are those that invoiced it. The status values are the tenant's own (var workday_hold_status).
with customers as (
    select * from {{ source('workday_raw', 'customers') }}
),

companies as (
    select
        system_id,
        customer,
        list(distinct company_code order by company_code) as company_codes
    from {{ ref('feed_workday__items') }}
    where customer is not null
    group by system_id, customer
)

select
    customers.system_id,
    customers.Customer_ID as customer,
    customers.Customer_Name as name,
    customers.Address_Line_Data as street,
    customers.Municipality as city,
    customers.Postal_Code as postal_code,
    customers.Country_Reference as country,
    customers.Tax_ID_Text as tax_id,
    cast(null as varchar) as parent_customer,
    customers.Payment_Terms_Reference as payment_terms,
    coalesce(companies.company_codes, []) as company_codes,
    if(
        customers.Customer_Status_Value_Reference = '{{ var("workday_hold_status", "HOLD") }}',
        coalesce(
            customers.Reason_for_Customer_Status_Change_Reference,
            customers.Customer_Status_Value_Reference
        ), null
    ) as order_block_reason,
    false as is_posting_blocked,
    coalesce(
        customers.Customer_Status_Value_Reference = '{{ var("workday_hold_status", "HOLD") }}',
        false
    ) as is_order_blocked,
    coalesce(
        customers.Customer_Status_Value_Reference
        = '{{ var("workday_inactive_status", "INACTIVE") }}', false
    ) as is_deleted
from customers
left join companies
    on
        customers.system_id = companies.system_id
        and customers.Customer_ID = companies.customer
