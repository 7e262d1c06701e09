with source as (
    select * from {{ source('sap_s4hana_raw', 'customer_dunning') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('Customer') }} as customer,
        CompanyCode as company_code,
        -- An empty dunning area is the company's only one.
        coalesce(trim(DunningArea), '') as dunning_area,
        -- text
        nullif(trim(DunningBlock), '') as dunning_block,
        nullif(trim(DunningLevel), '') as dunning_level,
        nullif(trim(DunningProcedure), '') as dunning_procedure,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
