-- Customer invoices, adjustments, payments and refunds in the shape of every ERP. A payment without
-- a remit-from customer is an unidentified receipt. What was canceled, or never approved, owes
-- nothing; a refund shows no status, so it counts as long as the ledger holds it. The key is the
-- Workday id: reference ids may hold any character.
with invoices as (
    select
        system_id,
        WID as wid,
        Company_Reference as company_code,
        coalesce(Accounting_Date, Invoice_Date) as posting_date,
        Invoice_Date as document_date,
        Due_Date_Override as net_due_date,
        'receivable' as item_nature,
        'INVOICE' as document_type,
        Customer_Reference as customer,
        coalesce(Invoice_Number, Customer_Invoice_ID) as invoice_number,
        [Invoice_Number, Customer_Invoice_ID, Customer_PO_Number] as reference_list,
        Currency_Reference as currency_code,
        Control_Amount_Total as amount,
        Customer_Invoice_ID as reference_id,
        cast(null as varchar) as bank_reference,
        Memo as item_text,
        coalesce(On_Hold, false) as is_payment_blocked,
        _loaded_at as loaded_at
    from {{ source('workday_raw', 'customer_invoices') }}
    where Document_Status = 'Approved'
),

adjustments as (
    select
        system_id,
        WID as wid,
        Company_Reference as company_code,
        coalesce(Accounting_Date, Adjustment_Date) as posting_date,
        Adjustment_Date as document_date,
        Adjustment_Date as net_due_date,
        'receivable' as item_nature,
        'ADJUSTMENT' as document_type,
        Customer_Reference as customer,
        coalesce(Invoice_Number, Customer_Invoice_Adjustment_ID) as invoice_number,
        [Invoice_Number, Customer_Invoice_Adjustment_ID] as reference_list,
        Currency_Reference as currency_code,
        if(coalesce(Increase_Amount_Due, false), Control_Amount_Total, -Control_Amount_Total)
            as amount,
        Customer_Invoice_Adjustment_ID as reference_id,
        cast(null as varchar) as bank_reference,
        Memo as item_text,
        false as is_payment_blocked,
        _loaded_at as loaded_at
    from {{ source('workday_raw', 'customer_invoice_adjustments') }}
    where Document_Status = 'Approved'
),

payments as (
    select
        system_id,
        WID as wid,
        Company_Reference as company_code,
        Payment_Date as posting_date,
        Payment_Date as document_date,
        cast(null as date) as net_due_date,
        if(Remitfrom_Customer_Reference is null, 'unidentified', 'payment') as item_nature,
        'PAYMENT' as document_type,
        Remitfrom_Customer_Reference as customer,
        coalesce(Payment_Number, Customer_Payment_for_Invoices_Reference_ID) as invoice_number,
        [Payment_Number, Check_Number] as reference_list,
        Payment_Currency_Reference as currency_code,
        -Payment_Amount as amount,
        Customer_Payment_for_Invoices_Reference_ID as reference_id,
        Payment_Number as bank_reference,
        Payment_Memo as item_text,
        false as is_payment_blocked,
        _loaded_at as loaded_at
    from {{ source('workday_raw', 'customer_payments') }}
),

ledger_amounts as (
    select
        system_id,
        Transaction_Workday_ID as wid,
        abs(Ledger_Amount) as amount
    from {{ source('workday_raw', 'receivable_ledger_amounts') }}
),

refunds as (
    select
        refunds.system_id,
        refunds.WID as wid,
        refunds.Company_Reference as company_code,
        refunds.Customer_Refund_Date as posting_date,
        refunds.Customer_Refund_Date as document_date,
        refunds.Customer_Refund_Date as net_due_date,
        'receivable' as item_nature,
        'REFUND' as document_type,
        refunds.Customer_Reference as customer,
        refunds.Customer_Refund_Reference_ID as invoice_number,
        [refunds.Customer_Refund_Reference_ID] as reference_list,
        refunds.Currency_Reference as currency_code,
        refunds.Total_Refund_Amount as amount,
        refunds.Customer_Refund_Reference_ID as reference_id,
        cast(null as varchar) as bank_reference,
        refunds.Memo as item_text,
        false as is_payment_blocked,
        refunds._loaded_at as loaded_at
    from {{ source('workday_raw', 'customer_refunds') }} as refunds
    inner join ledger_amounts
        on refunds.system_id = ledger_amounts.system_id and refunds.WID = ledger_amounts.wid
),

united as (
    select * from invoices
    union all
    select * from adjustments
    union all
    select * from payments
    union all
    select * from refunds
),

companies as (
    select * from {{ source('config', 'companies') }}
)

select
    united.system_id,
    united.company_code,
    cast(year(united.posting_date) as varchar) as fiscal_year,
    upper(united.wid) as accounting_document,
    '001' as accounting_document_item,
    united.item_nature,
    united.customer,
    united.document_type,
    united.invoice_number,
    list_filter(
        united.reference_list, lambda reference: reference is not null -- noqa: LT01
    ) as reference_list,
    cast(null as varchar) as sales_document,
    united.posting_date,
    united.document_date,
    united.net_due_date,
    united.currency_code,
    united.amount as amount_original,
    -- SOAP knows the document's currency only; the ledger's amount comes from a report.
    case
        when ledger_amounts.amount is not null and united.amount < 0 then -ledger_amounts.amount
        when ledger_amounts.amount is not null then ledger_amounts.amount
        when united.currency_code = companies.currency_code then united.amount
    end as amount_original_company,
    false as is_cleared_now,
    cast(null as date) as clearing_date,
    cast(null as varchar) as clearing_fiscal_year,
    cast(null as varchar) as clearing_document,
    false as is_reversed,
    false as is_reversal,
    cast(null as varchar) as reverse_document,
    if(starts_with(united.reference_id, 'LLP-'), substr(united.reference_id, 5, 20), null)
        as external_key,
    cast(null as varchar) as assignment_reference,
    united.bank_reference,
    united.item_text,
    united.is_payment_blocked,
    united.loaded_at
from united
left join ledger_amounts
    on united.system_id = ledger_amounts.system_id and united.wid = ledger_amounts.wid
left join companies
    on united.system_id = companies.system_id and united.company_code = companies.company_code
