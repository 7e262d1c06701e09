with source as (
    select * from {{ source('sap_s4hana_raw', 'credit_accounts') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        CreditSegment as credit_segment,
        -- text
        nullif(trim(CreditAccountBlockReason), '') as block_reason,
        nullif(trim(CreditSegmentCurrency), '') as credit_segment_currency,
        -- amounts
        CreditLimitAmount as credit_limit_amount,
        -- booleans
        coalesce(BusinessPartnerIsCritical, false) as is_critical,
        coalesce(CreditAccountIsBlocked, false) as is_blocked,
        coalesce(CreditLimitIsZero, false) as is_credit_limit_zero,
        -- dates
        cast(CreditLimitValidityEndDate as date) as credit_limit_validity_end_date,
        CreditLimitLastChangeDate as credit_limit_last_change_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
