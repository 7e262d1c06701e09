with source as (
    select * from {{ source('sap_s4hana_raw', 'sales_orders') }}
),

renamed as (
    select
        -- ids
        system_id,
        SalesOrder as sales_order,
        -- text
        nullif(trim(SalesOrderType), '') as sales_order_type,
        nullif(trim(SalesOrganization), '') as sales_organization,
        {{ padded_customer('SoldToParty') }} as sold_to_party,
        nullif(trim(TransactionCurrency), '') as transaction_currency,
        nullif(trim(TotalCreditCheckStatus), '') as total_credit_check_status,
        nullif(trim(OverallSDProcessStatus), '') as overall_process_status,
        nullif(trim(DeliveryBlockReason), '') as delivery_block_reason,
        nullif(trim(HeaderBillingBlockReason), '') as header_billing_block_reason,
        nullif(trim(PurchaseOrderByCustomer), '') as purchase_order_by_customer,
        -- amounts
        TotalNetAmount as total_net_amount,
        -- dates
        SalesOrderDate as sales_order_date,
        RequestedDeliveryDate as requested_delivery_date,
        -- timestamps
        LastChangeDateTime as last_changed_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
