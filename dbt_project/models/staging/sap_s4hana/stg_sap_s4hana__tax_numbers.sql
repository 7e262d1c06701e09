with source as (
    select * from {{ source('sap_s4hana_raw', 'tax_numbers') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        BPTaxType as tax_type,
        -- text
        nullif(trim(BPTaxNumber), '') as tax_number,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
