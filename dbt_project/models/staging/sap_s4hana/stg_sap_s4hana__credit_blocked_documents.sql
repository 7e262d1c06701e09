with source as (
    select * from {{ source('sap_s4hana_raw', 'credit_blocked_documents') }}
),

renamed as (
    select
        -- ids
        system_id,
        SalesDocument as sales_document,
        -- text
        nullif(trim(SDDocumentCategory), '') as document_category,
        {{ padded_customer('SoldToParty') }} as sold_to_party,
        nullif(trim(CreditSegment), '') as credit_segment,
        nullif(trim(TotalCreditCheckStatus), '') as total_credit_check_status,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
