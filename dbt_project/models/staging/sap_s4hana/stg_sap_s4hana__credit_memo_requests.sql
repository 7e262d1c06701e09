with source as (
    select * from {{ source('sap_s4hana_raw', 'credit_memo_requests') }}
),

renamed as (
    select
        -- ids
        system_id,
        CreditMemoRequest as credit_memo_request,
        -- text
        nullif(trim(CreditMemoRequestType), '') as credit_memo_request_type,
        {{ padded_customer('SoldToParty') }} as sold_to_party,
        nullif(trim(SalesOrganization), '') as sales_organization,
        nullif(trim(TransactionCurrency), '') as transaction_currency,
        nullif(trim(SDDocumentReason), '') as reason_code,
        nullif(trim(ReferenceSDDocument), '') as reference_document,
        nullif(trim(PurchaseOrderByCustomer), '') as purchase_order_by_customer,
        nullif(trim(OverallSDProcessStatus), '') as overall_process_status,
        -- amounts
        TotalNetAmount as total_net_amount,
        -- dates
        CreditMemoRequestDate as credit_memo_request_date,
        -- timestamps
        LastChangeDateTime as last_changed_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
