with source as (
    select * from {{ source('sap_s4hana_raw', 'customers') }}
),

renamed as (
    select
        -- ids
        system_id,
        {{ padded_customer('Customer') }} as customer,
        -- text
        nullif(trim(CustomerAccountGroup), '') as customer_account_group,
        nullif(trim(CustomerName), '') as customer_name,
        {{ padded_customer('CustomerCorporateGroup') }} as customer_corporate_group,
        nullif(trim(OrderIsBlockedForCustomer), '') as order_block_reason,
        nullif(trim(DeliveryIsBlocked), '') as delivery_block_reason,
        nullif(trim(BillingIsBlockedForCustomer), '') as billing_block_reason,
        nullif(trim(VATRegistration), '') as vat_registration,
        -- booleans
        coalesce(PostingIsBlocked, false) as is_posting_blocked,
        coalesce(DeletionIndicator, false) as is_deleted,
        -- dates
        CreationDate as creation_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
