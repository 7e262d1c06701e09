with source as (
    select * from {{ source('erp_files_raw', 'sap_open_items') }}
),

renamed as (
    select
        -- ids
        system_id as files_system_id,
        erp_system_id as system_id,
        BUKRS as company_code,
        GJAHR as fiscal_year,
        BELNR as accounting_document,
        BUZEI as accounting_document_item,
        -- text
        {{ padded_customer('KUNNR') }} as customer,
        nullif(trim(BLART), '') as document_type,
        nullif(trim(XBLNR), '') as document_reference,
        nullif(trim(ZUONR), '') as assignment_reference,
        nullif(trim(ZTERM), '') as payment_terms,
        nullif(trim(SGTXT), '') as item_text,
        nullif(trim(UMSKZ), '') as special_gl_code,
        nullif(trim(WAERS), '') as currency_code,
        nullif(trim(SHKZG), '') as debit_credit_code,
        file_sha256,
        -- amounts
        {{ signed_amount('WRBTR', code='SHKZG') }} as amount,
        -- dates
        BLDAT as document_date,
        BUDAT as posting_date,
        NETDT as due_date,
        -- timestamps
        received_at,
        _loaded_at as loaded_at
    from source
)

-- An extract of open items is a whole picture: what a newer one no longer shows is not open.
select * from renamed
qualify
    received_at = max(received_at) over (partition by system_id, company_code)
