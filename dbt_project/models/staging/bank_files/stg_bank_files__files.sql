with source as (
    select * from {{ source('bank_files_raw', 'files') }}
),

renamed as (
    select
        -- ids
        system_id,
        file_sha256,
        -- text
        nullif(trim(file_name), '') as file_name,
        nullif(trim(status), '') as status,
        nullif(trim(reason_code), '') as reason_code,
        nullif(trim(reason), '') as reason,
        nullif(trim(format), '') as file_format,
        -- numbers
        bytes as size_bytes,
        statements as statement_count,
        entries as entry_count,
        coalesce(remittances, 0) as remittance_count,
        -- timestamps
        received_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
