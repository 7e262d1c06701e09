with source as (
    select * from {{ source('salesforce_raw', 'accounts') }}
),

renamed as (
    select
        -- ids
        system_id,
        Id as id,
        -- text
        nullif(trim(Name), '') as name,
        nullif(trim(AccountNumber), '') as account_number,
        nullif(trim(ERP_Customer_Id__c), '') as erp_customer_number,
        nullif(trim(BillingStreet), '') as billing_street,
        nullif(trim(BillingCity), '') as billing_city,
        nullif(trim(BillingPostalCode), '') as billing_postal_code,
        nullif(trim(BillingCountry), '') as billing_country,
        nullif(trim(Phone), '') as phone,
        nullif(trim(Website), '') as website,
        nullif(trim(AR_Credit_Limit_Kind__c), '') as credit_limit_kind,
        nullif(trim(AR_Status__c), '') as status,
        cast(AR_Sync_Version__c as varchar) as sync_version,
        nullif(trim(AR_Sync_Correlation_Id__c), '') as sync_correlation_id,
        -- amounts
        AR_Open_Balance__c as open_balance,
        AR_Overdue_Amount__c as overdue_amount,
        AR_Credit_Limit__c as credit_limit,
        -- booleans
        coalesce(AR_Credit_Hold__c, false) as is_credit_hold,
        coalesce(IsDeleted, false) as is_deleted,
        -- dates
        AR_As_Of__c as as_of_date,
        -- timestamps
        SystemModstamp as modified_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
