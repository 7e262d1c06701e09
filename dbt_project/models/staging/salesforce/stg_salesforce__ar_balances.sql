with source as (
    select * from {{ source('salesforce_raw', 'ar_balances') }}
),

renamed as (
    select
        -- ids
        system_id,
        Id as id,
        -- text
        nullif(trim(ERP_Balance_Key__c), '') as balance_key,
        nullif(trim(Account__c), '') as account_id,
        nullif(trim(Company_Code__c), '') as company_code,
        nullif(trim(CurrencyIsoCode), '') as currency_code,
        cast(AR_Sync_Version__c as varchar) as sync_version,
        nullif(trim(AR_Sync_Correlation_Id__c), '') as sync_correlation_id,
        -- amounts
        AR_Current__c as amount_current,
        AR_1_30__c as amount_1_30,
        AR_31_60__c as amount_31_60,
        AR_61_90__c as amount_61_90,
        AR_91_120__c as amount_91_120,
        AR_Over_120__c as amount_over_120,
        AR_Credits__c as amount_credits,
        AR_Unapplied_Cash__c as amount_unapplied,
        AR_Net__c as amount_net,
        -- booleans
        coalesce(IsDeleted, false) as is_deleted,
        -- dates
        AR_As_Of__c as as_of_date,
        -- timestamps
        SystemModstamp as modified_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
