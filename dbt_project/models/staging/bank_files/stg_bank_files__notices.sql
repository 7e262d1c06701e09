with source as (
    select * from {{ source('bank_files_raw', 'notices') }}
),

renamed as (
    select
        -- ids
        system_id,
        notice_id,
        nullif(trim(receipt_id), '') as receipt_id,
        -- text
        nullif(trim(statement_id), '') as statement_id,
        nullif(trim(account), '') as account,
        nullif(trim(currency_code), '') as currency_code,
        nullif(trim(account_servicer_reference), '') as account_servicer_reference,
        nullif(trim(batch_reference), '') as batch_reference,
        nullif(trim(end_to_end_id), '') as end_to_end_id,
        nullif(trim(entry_reference), '') as entry_reference,
        nullif(trim(remittance_text), '') as remittance_text,
        nullif(trim(payer_name), '') as payer_name,
        nullif(trim(payer_account), '') as payer_account,
        nullif(trim(virtual_account), '') as virtual_account,
        nullif(trim(file_sha256), '') as file_sha256,
        -- amounts
        amount,
        -- booleans
        coalesce(is_settled, false) as is_settled,
        -- dates
        booking_date,
        value_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
