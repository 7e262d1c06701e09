with source as (
    select * from {{ source('sap_s4hana_raw', 'business_partners') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('BusinessPartner') }} as business_partner,
        -- text
        {{ padded_customer('Customer') }} as customer,
        nullif(trim(BusinessPartnerCategory), '') as business_partner_category,
        nullif(trim(BusinessPartnerGrouping), '') as business_partner_grouping,
        nullif(trim(BusinessPartnerFullName), '') as business_partner_full_name,
        nullif(trim(BusinessPartnerName), '') as business_partner_name,
        nullif(trim(SearchTerm1), '') as search_term,
        nullif(trim(BusinessPartnerIDByExtSystem), '') as external_business_partner,
        nullif(trim(LastChangeTime), '') as last_change_time,
        -- booleans
        coalesce(BusinessPartnerIsBlocked, false) as is_blocked,
        coalesce(IsMarkedForArchiving, false) as is_marked_for_archiving,
        -- dates
        CreationDate as creation_date,
        LastChangeDate as last_change_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
