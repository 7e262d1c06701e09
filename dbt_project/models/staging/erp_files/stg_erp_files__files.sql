with source as (
    select * from {{ source('erp_files_raw', 'files') }}
),

renamed as (
    select
        -- ids
        system_id,
        erp_system_id,
        file_sha256,
        -- text
        nullif(trim(file_name), '') as file_name,
        nullif(trim(object_name), '') as object_name,
        nullif(trim(status), '') as status,
        nullif(trim(reason_code), '') as reason_code,
        nullif(trim(reason), '') as reason,
        -- numbers
        bytes as size_bytes,
        rows_read,
        rows_taken,
        rows_refused,
        -- timestamps
        received_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
