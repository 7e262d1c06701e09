with source as (
    select * from {{ source('bank_files_raw', 'statements') }}
),

renamed as (
    select
        -- ids
        system_id,
        statement_id,
        -- text
        nullif(trim(vendor_id), '') as vendor_statement_id,
        nullif(trim(account), '') as account,
        nullif(trim(currency_code), '') as currency_code,
        cast(sequence_number as varchar) as sequence_number,
        nullif(trim(file_sha256), '') as file_sha256,
        coalesce(nullif(trim(kind), ''), 'final') as statement_kind,
        -- amounts
        opening_amount,
        closing_amount,
        -- dates
        opening_date,
        closing_date,
        -- timestamps
        created_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
