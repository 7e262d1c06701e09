-- Hub customers: one row per ERP customer, with the name, address and blocks the ERP shows.
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

terms as (
    select
        system_id,
        customer,
        arg_min(payment_terms, company_code) as payment_terms
    from {{ ref('stg_sap_s4hana__customer_companies') }}
    where not is_deleted
    group by system_id, customer
),

systems as (
    select * from {{ source('config', 'systems') }}
),

mapped as (
    select
        systems.key_prefix || '-' || customers.customer as customer_id,
        customers.system_id,
        customers.customer,
        coalesce(
            customers.customer_name, partners.business_partner_full_name, customers.customer
        ) as name,
        addresses.country,
        addresses.city_name as city,
        addresses.postal_code,
        customers.order_block_reason is not null
        or coalesce(partners.is_blocked, false) as is_order_blocked,
        customers.is_deleted or coalesce(partners.is_marked_for_archiving, false) as is_deleted,
        terms.payment_terms
    from customers
    inner join systems on customers.system_id = systems.system_id
    left join partners
        on customers.system_id = partners.system_id and customers.customer = partners.customer
    left join addresses
        on
            partners.system_id = addresses.system_id
            and partners.business_partner = addresses.business_partner
    left join terms
        on customers.system_id = terms.system_id and customers.customer = terms.customer
)

select * from mapped
