with source as (
    select * from {{ source('bank_files_raw', 'remittance_lines') }}
),

renamed as (
    select
        -- ids
        system_id,
        remittance_line_id,
        remittance_id,
        nullif(trim(receipt_id), '') as receipt_id,
        -- text
        nullif(trim(statement_id), '') as statement_id,
        nullif(trim(trace_reference), '') as trace_reference,
        nullif(trim(payer_name), '') as payer_name,
        nullif(trim(payer_account), '') as payer_account,
        nullif(trim(currency_code), '') as currency_code,
        nullif(trim(reference), '') as reference,
        nullif(trim(reference_kind), '') as reference_kind,
        nullif(trim(adjustment_code), '') as adjustment_code,
        nullif(trim(adjustment_text), '') as adjustment_text,
        nullif(trim(file_sha256), '') as file_sha256,
        -- numbers
        position as line_position,
        -- amounts
        payment_amount,
        amount_paid,
        amount_original,
        coalesce(discount_amount, 0) as discount_amount,
        coalesce(adjustment_amount, 0) as adjustment_amount,
        -- dates
        payment_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
