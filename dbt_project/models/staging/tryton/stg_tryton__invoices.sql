with source as (
    select * from {{ source('tryton_raw', 'invoices') }}
),

renamed as (
    select
        -- ids
        system_id,
        cast(id as varchar) as invoice_id,
        cast(company as varchar) as company_code,
        nullif(number, '') as invoice_number,
        nullif(reference, '') as customer_reference,
        cast(move as varchar) as move_id,
        -- ids of move lines
        string_split(nullif(payment_lines, ''), ';') as payment_line_ids,
        string_split(nullif(lines_to_pay, ''), ';') as due_line_ids,
        -- dates
        invoice_date,
        -- texts
        state
    from source
)

select * from renamed
