with source as (
    select * from {{ source('sap_s4hana_raw', 'customer_companies') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('Customer') }} as customer,
        CompanyCode as company_code,
        -- text
        nullif(trim(PaymentTerms), '') as payment_terms,
        nullif(trim(PaymentBlockingReason), '') as payment_blocking_reason,
        nullif(trim(ReconciliationAccount), '') as reconciliation_account,
        {{ padded_customer('AlternativePayerAccount') }} as alternative_payer_account,
        {{ padded_customer('CustomerHeadOffice') }} as customer_head_office,
        -- booleans
        coalesce(DeletionIndicator, false) as is_deleted,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
