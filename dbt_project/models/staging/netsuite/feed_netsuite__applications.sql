-- What payments and credit memos were applied to, in the shape of every ERP: each link is a part of
-- the invoice and the same part of the credit, at the invoice's rate. NetSuite keeps no date of an
-- application: it counts from when both documents were there. A refund comes after the payment that
-- it gives back, and takes the invoice's part.
with links as (
    select
        system_id,
        if(nexttype = 'CustRfnd', nextdoc, previousdoc) as debit,
        if(nexttype = 'CustRfnd', nextline, previousline) as debit_line,
        if(nexttype = 'CustRfnd', previousdoc, nextdoc) as credit,
        greatest(previousdate, nextdate) as applied_date,
        foreignamount,
        coalesce(discount, 0) as amount_discount
    from {{ source('netsuite_raw', 'applications') }}
),

items as (
    select * from {{ ref('feed_netsuite__items') }}
    where item_nature <> 'unidentified'
),

companies as (
    select * from {{ source('config', 'companies') }}
),

applied as (
    select
        links.system_id,
        links.credit,
        links.applied_date,
        links.foreignamount,
        links.amount_discount,
        invoices.company_code,
        invoices.fiscal_year,
        invoices.accounting_document,
        invoices.accounting_document_item,
        companies.currency_code as company_currency_code,
        invoices.amount_original,
        invoices.amount_original_company
    from links
    inner join items as invoices
        on
            links.system_id = invoices.system_id
            and links.debit = invoices.accounting_document
            and invoices.accounting_document_item = if(
                invoices.document_type = 'Journal',
                lpad(cast(cast(links.debit_line as bigint) + 1 as varchar), 3, '0'), '001'
            )
    left join companies
        on
            invoices.system_id = companies.system_id
            and invoices.company_code = companies.company_code
),

parts as (
    select
        system_id,
        company_code,
        fiscal_year,
        accounting_document,
        accounting_document_item,
        applied_date,
        foreignamount + amount_discount as amount,
        amount_original,
        amount_original_company,
        company_currency_code,
        credit as applying_document
    from applied
    union all by name
    select
        applied.system_id,
        credits.company_code,
        credits.fiscal_year,
        credits.accounting_document,
        credits.accounting_document_item,
        applied.applied_date,
        -if(
            credits.accounting_document_item = '002', applied.amount_discount, applied.foreignamount
        ) as amount,
        applied.amount_original,
        applied.amount_original_company,
        applied.company_currency_code,
        applied.accounting_document as applying_document
    from applied
    inner join items as credits
        on applied.system_id = credits.system_id and applied.credit = credits.accounting_document
    where credits.accounting_document_item = '001' or credits.document_type = 'CustPymtDisc'
)

select
    system_id,
    company_code,
    fiscal_year,
    accounting_document,
    accounting_document_item,
    applied_date,
    cast(amount as decimal(28, 6)) as amount,
    -- Exact in the company's own currency; in another one the share at the invoice's rate.
    if(
        amount_original = amount_original_company, cast(amount as decimal(28, 6)),
        {{ rounded_money(
            'cast(amount * amount_original_company / amount_original as decimal(28, 6))',
            'company_currency_code'
        ) }}
    ) as amount_company,
    applying_document
from parts
where amount <> 0
