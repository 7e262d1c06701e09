with source as (
    select * from {{ source('sap_s4hana_raw', 'addresses') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        AddressID as address_id,
        -- text
        nullif(trim(StreetName), '') as street_name,
        nullif(trim(HouseNumber), '') as house_number,
        nullif(trim(PostalCode), '') as postal_code,
        nullif(trim(CityName), '') as city_name,
        nullif(trim(Country), '') as country,
        nullif(trim(Region), '') as region,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
