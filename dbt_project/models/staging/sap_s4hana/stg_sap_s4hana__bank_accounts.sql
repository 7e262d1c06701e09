with source as (
    select * from {{ source('sap_s4hana_raw', 'bank_accounts') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        BankIdentification as bank_identification,
        -- text
        nullif(trim(BankCountryKey), '') as bank_country_key,
        nullif(trim(BankName), '') as bank_name,
        nullif(trim(BankNumber), '') as bank_number,
        nullif(trim(SWIFTCode), '') as swift_code,
        nullif(trim(IBAN), '') as iban,
        nullif(trim(BankAccount), '') as bank_account,
        nullif(trim(BankAccountHolderName), '') as bank_account_holder_name,
        -- dates
        cast(ValidityStartDate as date) as validity_start_date,
        cast(ValidityEndDate as date) as validity_end_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
