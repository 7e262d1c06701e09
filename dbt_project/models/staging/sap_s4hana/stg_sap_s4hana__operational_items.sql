with source as (
    select * from {{ source('sap_s4hana_raw', 'operational_items') }}
),

renamed as (
    select
        -- ids
        system_id,
        CompanyCode as company_code,
        FiscalYear as fiscal_year,
        AccountingDocument as accounting_document,
        AccountingDocumentItem as accounting_document_item,
        -- text
        nullif(trim(FinancialAccountType), '') as financial_account_type,
        nullif(trim(GLAccount), '') as gl_account,
        {{ padded_customer('Customer') }} as customer,
        nullif(trim(DebitCreditCode), '') as debit_credit_code,
        nullif(trim(PostingKey), '') as posting_key,
        nullif(trim(SpecialGLCode), '') as special_gl_code,
        nullif(trim(AccountingDocumentType), '') as accounting_document_type,
        nullif(trim(PaymentTerms), '') as payment_terms,
        nullif(trim(PaymentBlockingReason), '') as payment_blocking_reason,
        nullif(trim(PaymentReference), '') as payment_reference,
        nullif(trim(DocumentReferenceID), '') as document_reference,
        nullif(trim(AssignmentReference), '') as assignment_reference,
        nullif(trim(DocumentItemText), '') as document_item_text,
        nullif(trim(Reference1IDByBusinessPartner), '') as partner_reference_1,
        nullif(trim(Reference2IDByBusinessPartner), '') as partner_reference_2,
        nullif(trim(Reference3IDByBusinessPartner), '') as partner_reference_3,
        nullif(trim(InvoiceReference), '') as invoice_reference,
        nullif(trim(InvoiceReferenceFiscalYear), '') as invoice_reference_fiscal_year,
        nullif(trim(InvoiceItemReference), '') as invoice_item_reference,
        nullif(trim(BillingDocument), '') as billing_document,
        nullif(trim(SalesDocument), '') as sales_document,
        nullif(trim(ClearingAccountingDocument), '') as clearing_accounting_document,
        nullif(trim(ClearingDocFiscalYear), '') as clearing_fiscal_year,
        nullif(trim(CompanyCodeCurrency), '') as company_code_currency,
        nullif(trim(TransactionCurrency), '') as transaction_currency,
        nullif(trim(DunningLevel), '') as dunning_level,
        nullif(trim(DunningBlockingReason), '') as dunning_blocking_reason,
        nullif(trim(ReverseDocument), '') as reverse_document,
        nullif(trim(PaymentDifferenceReason), '') as payment_difference_reason,
        -- amounts
        AmountInCompanyCodeCurrency as amount_in_company_code_currency,
        AmountInTransactionCurrency as amount_in_transaction_currency,
        CashDiscount1Percent as cash_discount_percent,
        -- booleans
        coalesce(IsCleared, false) as is_cleared,
        coalesce(ClearingIsReversed, false) as is_clearing_reversed,
        coalesce(IsReversal, false) as is_reversal,
        coalesce(IsReversed, false) as is_reversed,
        -- dates
        PostingDate as posting_date,
        DocumentDate as document_date,
        NetDueDate as net_due_date,
        CashDiscount1DueDate as cash_discount_due_date,
        DueCalculationBaseDate as due_calculation_base_date,
        ClearingDate as clearing_date,
        ClearingCreationDate as clearing_creation_date,
        LastChangeDate as last_change_date,
        AccountingDocumentCreationDate as accounting_document_creation_date,
        -- timestamps
        _loaded_at as loaded_at
    from source
)

select * from renamed
