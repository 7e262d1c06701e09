with source as (
    select * from {{ source('tryton_raw', 'move_lines') }}
),

renamed as (
    select
        -- ids
        system_id,
        cast(id as varchar) as line_id,
        cast(move as varchar) as move_id,
        cast(reconciliation as varchar) as reconciliation_id,
        cast(account__company as varchar) as company_code,
        account__code as gl_account,
        party__code as customer,
        move__number as move_number,
        move__journal__code as journal_code,
        move__journal__type as journal_type,
        move__origin as move_origin,
        -- texts
        nullif(move__description, '') as move_description,
        nullif(description, '') as line_text,
        nullif(regexp_extract(move__description, '^([A-Z2-7]{20})( |$)', 1), '') as external_key,
        -- dates
        move__date as posting_date,
        maturity_date,
        -- amounts: of the second currency where a line has one
        coalesce(second_currency__code, account__company__currency__code) as currency_code,
        account__company__currency__code as company_currency_code,
        cast(
            if(second_currency__code is null, debit - credit, amount_second_currency)
            as decimal(28, 6)
        ) as amount,
        cast(debit - credit as decimal(28, 6)) as amount_company,
        -- flags
        coalesce(account__type__receivable, false) as is_receivable,
        -- timestamps
        create_date as created_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
