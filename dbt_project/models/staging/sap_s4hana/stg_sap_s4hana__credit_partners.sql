with source as (
    select * from {{ source('sap_s4hana_raw', 'credit_partners') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        -- text
        nullif(trim(CreditRiskClass), '') as credit_risk_class,
        nullif(trim(CreditWorthinessScoreValue), '') as credit_worthiness_score_value,
        nullif(trim(CreditCheckRule), '') as credit_check_rule,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
