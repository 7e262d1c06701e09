with source as (
    select * from {{ source('erp_files_raw', 'refusals') }}
),

renamed as (
    select
        -- ids
        system_id,
        file_sha256,
        -- text
        nullif(trim(object_name), '') as object_name,
        nullif(trim(column_name), '') as column_name,
        code,
        -- numbers
        line as line_number,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
