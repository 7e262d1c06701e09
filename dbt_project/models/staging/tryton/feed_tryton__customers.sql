-- Parties with a code, in the shape of every ERP. Tryton keeps no customer of a company alone, no
-- parent and no order block; an archived party takes no new documents.
with parties as (
    select * from {{ source('tryton_raw', 'parties') }}
    where code is not null
),

addresses as (
    select * from {{ source('tryton_raw', 'addresses') }}
    where active
    qualify row_number() over (partition by system_id, party order by sequence, id) = 1
),

companies as (
    select
        system_id,
        list(company_code order by company_code) as company_codes
    from {{ source('config', 'companies') }}
    group by system_id
)

select
    parties.system_id,
    parties.code as customer,
    coalesce(nullif(parties.name, ''), parties.code) as name,
    nullif(addresses.street, '') as street,
    nullif(addresses.city, '') as city,
    nullif(addresses.postal_code, '') as postal_code,
    addresses.country__code as country,
    nullif(parties.tax_identifier__code, '') as tax_id,
    cast(null as varchar) as parent_customer,
    parties.customer_payment_term__name as payment_terms,
    coalesce(companies.company_codes, []) as company_codes,
    cast(null as varchar) as order_block_reason,
    not parties.active as is_posting_blocked,
    not parties.active as is_order_blocked,
    not parties.active as is_deleted
from parties
left join addresses
    on parties.system_id = addresses.system_id and parties.id = addresses.party
left join companies on parties.system_id = companies.system_id
