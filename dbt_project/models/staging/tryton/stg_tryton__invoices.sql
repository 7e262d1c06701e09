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
        if(
            regexp_full_match(reference, '[A-Z2-7]{20}'), null, nullif(reference, '')
        ) as customer_reference,
        cast(move as varchar) as move_id,
        -- ids of move lines
        string_split(nullif(payment_lines, ''), ';') as payment_line_ids,
        string_split(nullif(lines_to_pay, ''), ';') as due_line_ids,
        -- dates
        invoice_date,
        -- texts: the hub's key is a credit note's reference and opens a debit memo's description
        state,
        nullif(coalesce(
            nullif(regexp_extract(reference, '^([A-Z2-7]{20})$', 1), ''),
            regexp_extract(description, '^([A-Z2-7]{20})( |$)', 1)
        ), '') as external_key
    from source
)

select * from renamed
