with source as (
    select * from {{ source('sap_s4hana_raw', 'gl_balances') }}
),

renamed as (
    select
        -- ids
        system_id,
        CompanyCode as company_code,
        GLAccount as gl_account,
        CompanyCodeCurrency as company_code_currency,
        -- amounts
        AmountInCompanyCodeCurrency as amount_in_company_code_currency,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
