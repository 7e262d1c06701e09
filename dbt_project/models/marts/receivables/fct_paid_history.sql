-- Every invoice that was paid, from the ERP's own items and from extracts of the years before, each
-- once. Where the ERP's items know an item they alone say whether it is paid: an extract is older
-- than a clearing that was reset.
with items as (
    select * from {{ ref('fct_open_items') }}
),

extracted as (
    select * from {{ ref('stg_erp_files__paid_items') }}
    where special_gl_code is null
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

read as (
    select
        item_key,
        system_id,
        company_code,
        customer_id,
        customer,
        document_type,
        invoice_number,
        document_date,
        due_date,
        clearing_date as cleared_date,
        amount_original as amount,
        currency_code,
        'erp' as known_from
    from items
    where item_class = 'invoice' and is_cleared and not is_reversed and clearing_date is not null
),

keyed as (
    select
        companies.key_prefix || '-' || extracted.company_code || '-' || extracted.fiscal_year || '-'
        || extracted.accounting_document || '-' || extracted.accounting_document_item as item_key,
        extracted.system_id,
        extracted.company_code,
        companies.key_prefix || '-' || extracted.customer as customer_id,
        extracted.customer,
        extracted.document_type,
        coalesce(extracted.document_reference, extracted.accounting_document) as invoice_number,
        extracted.document_date,
        coalesce(extracted.due_date, extracted.document_date) as due_date,
        extracted.clearing_date as cleared_date,
        extracted.amount,
        extracted.currency_code,
        'file' as known_from,
        extracted.received_at
    from extracted
    inner join companies
        on
            extracted.system_id = companies.system_id
            and extracted.company_code = companies.company_code
    where
        extracted.amount > 0
        and extracted.clearing_date is not null
        and extracted.clearing_date <= companies.as_of_date
),

-- Two systems of files may hold the same extract.
once as (
    select * exclude (received_at) from keyed
    qualify row_number() over (partition by item_key order by received_at desc) = 1
),

united as (
    select * from read
    union all
    select once.* from once
    left join items on once.item_key = items.item_key
    where items.item_key is null
)

select
    item_key,
    system_id,
    company_code,
    customer_id,
    customer,
    document_type,
    invoice_number,
    document_date,
    due_date,
    cleared_date,
    cast(amount as decimal(28, 6)) as amount,
    currency_code,
    cast(cleared_date - due_date as integer) as days_late,
    known_from
from united
