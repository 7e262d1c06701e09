with source as (
    select * from {{ source('erp_files_raw', 'sap_customers') }}
),

renamed as (
    select
        -- ids
        system_id as files_system_id,
        erp_system_id as system_id,
        {{ padded_customer('KUNNR') }} as customer,
        -- text
        nullif(trim(NAME1), '') as customer_name,
        nullif(trim(STRAS), '') as street,
        nullif(trim(PSTLZ), '') as postal_code,
        nullif(trim(ORT01), '') as city,
        nullif(trim(LAND1), '') as country,
        nullif(trim(STCEG), '') as vat_registration,
        nullif(trim(KTOKD), '') as customer_account_group,
        file_sha256,
        -- booleans
        coalesce(LOEVM, false) as is_deleted,
        -- timestamps
        received_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
