with source as (
    select * from {{ source('sap_s4hana_raw', 'billing_documents') }}
),

renamed as (
    select
        -- ids
        system_id,
        BillingDocument as billing_document,
        -- text
        nullif(trim(BillingDocumentType), '') as billing_document_type,
        {{ padded_customer('SoldToParty') }} as sold_to_party,
        {{ padded_customer('PayerParty') }} as payer_party,
        nullif(trim(CompanyCode), '') as company_code,
        nullif(trim(FiscalYear), '') as fiscal_year,
        nullif(trim(AccountingDocument), '') as accounting_document,
        nullif(trim(TransactionCurrency), '') as transaction_currency,
        nullif(trim(PaymentReference), '') as payment_reference,
        nullif(trim(DocumentReferenceID), '') as document_reference,
        nullif(trim(PurchaseOrderByCustomer), '') as purchase_order_by_customer,
        nullif(trim(AccountingPostingStatus), '') as accounting_posting_status,
        nullif(trim(InvoiceClearingStatus), '') as invoice_clearing_status,
        -- amounts
        TotalNetAmount as total_net_amount,
        TaxAmount as tax_amount,
        TotalGrossAmount as total_gross_amount,
        -- booleans
        coalesce(BillingDocumentIsCancelled, false) as is_cancelled,
        -- dates
        BillingDocumentDate as billing_document_date,
        -- timestamps
        LastChangeDateTime as last_changed_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
