with source as (
    select * from {{ source('bank_files_raw', 'entries') }}
),

renamed as (
    select
        -- ids
        system_id,
        receipt_id,
        -- text
        nullif(trim(statement_id), '') as statement_id,
        nullif(trim(account), '') as account,
        nullif(trim(currency_code), '') as currency_code,
        nullif(trim(status), '') as status,
        nullif(trim(account_servicer_reference), '') as account_servicer_reference,
        nullif(trim(end_to_end_id), '') as end_to_end_id,
        nullif(trim(entry_reference), '') as entry_reference,
        nullif(trim(remittance_text), '') as remittance_text,
        nullif(trim(structured_references), '') as structured_references,
        nullif(trim(creditor_reference), '') as creditor_reference,
        nullif(trim(payer_name), '') as payer_name,
        nullif(trim(payer_account), '') as payer_account,
        nullif(trim(ultimate_payer_name), '') as ultimate_payer_name,
        nullif(trim(bank_code), '') as bank_code,
        nullif(trim(virtual_account), '') as virtual_account,
        nullif(trim(batch_reference), '') as batch_reference,
        nullif(trim(original_reference), '') as original_reference,
        nullif(trim(return_reason), '') as return_reason,
        -- numbers
        position as entry_position,
        coalesce(transactions, 0) as transaction_count,
        -- amounts
        amount,
        -- booleans
        coalesce(is_reversal, false) as is_reversal,
        -- dates
        booking_date,
        value_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
