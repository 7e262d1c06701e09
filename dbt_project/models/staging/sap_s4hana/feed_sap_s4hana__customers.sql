-- Customers with name, address and blocks in the shape of every ERP. Whom they stand under: their
-- head office, else their corporate group (its code is mostly its head's number), else who pays for
-- them.
with customers as (
    select * from {{ ref('stg_sap_s4hana__customers') }}
),

partners as (
    select * from {{ ref('stg_sap_s4hana__business_partners') }}
    where customer is not null
),

addresses as (
    select * from {{ ref('stg_sap_s4hana__addresses') }}
    qualify row_number() over (partition by system_id, business_partner order by address_id) = 1
),

tax_numbers as (
    select
        system_id,
        business_partner,
        min(tax_number) as tax_number
    from {{ ref('stg_sap_s4hana__tax_numbers') }}
    group by all
),

companies as (
    select
        system_id,
        customer,
        arg_min(payment_terms, company_code) as payment_terms,
        list(distinct company_code order by company_code) as company_codes,
        arg_min(customer_head_office, company_code) as head_office,
        arg_min(alternative_payer_account, company_code) as alternative_payer
    from {{ ref('stg_sap_s4hana__customer_companies') }}
    where not is_deleted
    group by system_id, customer
)

select
    customers.system_id,
    customers.customer,
    coalesce(
        customers.customer_name, partners.business_partner_full_name, customers.customer
    ) as name,
    addresses.street_name as street,
    addresses.city_name as city,
    addresses.postal_code,
    addresses.country,
    tax_numbers.tax_number as tax_id,
    nullif(
        coalesce(
            companies.head_office,
            customers.customer_corporate_group,
            companies.alternative_payer
        ), customers.customer
    ) as parent_customer,
    companies.payment_terms,
    coalesce(companies.company_codes, []) as company_codes,
    customers.order_block_reason,
    customers.is_posting_blocked,
    customers.order_block_reason is not null
    or coalesce(partners.is_blocked, false) as is_order_blocked,
    customers.is_deleted or coalesce(partners.is_marked_for_archiving, false) as is_deleted
from customers
left join partners
    on customers.system_id = partners.system_id and customers.customer = partners.customer
left join addresses
    on
        partners.system_id = addresses.system_id
        and partners.business_partner = addresses.business_partner
left join tax_numbers
    on
        partners.system_id = tax_numbers.system_id
        and partners.business_partner = tax_numbers.business_partner
left join companies
    on customers.system_id = companies.system_id and customers.customer = companies.customer
