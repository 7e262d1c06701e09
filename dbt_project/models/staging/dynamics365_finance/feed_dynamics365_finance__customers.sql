-- Customers in the shape of every ERP. The product keeps a customer per company; the hub knows one
-- by its number, with the companies it trades in. The hold is the credit limit's, told only there.
with customers as (
    select
        *,
        upper(trim(CustomerAccount)) as customer,
        upper(dataAreaId) as company_code
    from {{ source('dynamics365_finance_raw', 'customers') }}
)

select
    system_id,
    customer,
    coalesce(nullif(trim(arg_min(OrganizationName, company_code)), ''), customer) as name,
    nullif(trim(arg_min(AddressStreet, company_code)), '') as street,
    nullif(trim(arg_min(AddressCity, company_code)), '') as city,
    nullif(trim(arg_min(AddressZipCode, company_code)), '') as postal_code,
    nullif(trim(arg_min(AddressCountryRegionId, company_code)), '') as country,
    nullif(trim(arg_min(TaxExemptNumber, company_code)), '') as tax_id,
    nullif(nullif(upper(trim(arg_min(InvoiceAccount, company_code))), ''), customer)
        as parent_customer,
    nullif(trim(arg_min(PaymentTerms, company_code)), '') as payment_terms,
    list(distinct company_code order by company_code) as company_codes,
    cast(null as varchar) as order_block_reason,
    bool_and(OnHoldStatus = 'All') as is_posting_blocked,
    false as is_order_blocked,
    false as is_deleted
from customers
group by system_id, customer
