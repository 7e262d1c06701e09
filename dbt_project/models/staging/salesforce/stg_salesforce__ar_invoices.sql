with source as (
    select * from {{ source('salesforce_raw', 'ar_invoices') }}
),

renamed as (
    select
        -- ids
        system_id,
        Id as id,
        -- text
        nullif(trim(ERP_Invoice_Key__c), '') as item_key,
        nullif(trim(Account__c), '') as account_id,
        nullif(trim(Company_Code__c), '') as company_code,
        nullif(trim(CurrencyIsoCode), '') as currency_code,
        nullif(trim(Invoice_Number__c), '') as invoice_number,
        nullif(trim(Status__c), '') as status,
        nullif(trim(Aging_Bucket__c), '') as aging_bucket,
        cast(AR_Sync_Version__c as varchar) as sync_version,
        nullif(trim(AR_Sync_Correlation_Id__c), '') as sync_correlation_id,
        -- amounts
        Amount__c as amount,
        Open_Amount__c as amount_open,
        AR_Days_Past_Due__c as days_past_due,
        -- booleans
        coalesce(IsDeleted, false) as is_deleted,
        -- dates
        Invoice_Date__c as invoice_date,
        Due_Date__c as due_date,
        AR_As_Of__c as as_of_date,
        -- timestamps
        SystemModstamp as modified_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
