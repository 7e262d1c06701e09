-- Invoices of linked customers: every open one, and a cleared one only where the CRM already has it
-- (or the hub is writing it), so that it can show Paid without loading years of history. An invoice
-- that the hub wrote for a customer who is linked no longer stays true, under no account.
with items as (
    select * from {{ ref('fct_open_items') }}
    where item_class = 'invoice'
),

links as (
    select * from {{ ref('dim_customer_links') }}
    where relation = 'account'
),

known as (
    select
        system_id,
        item_key
    from {{ ref('stg_salesforce__ar_invoices') }}
    where not is_deleted and item_key is not null
    union distinct
    select
        system_id,
        object_key as item_key
    from {{ source('ledger', 'acknowledged') }}
    where object_name = 'invoices'
),

-- The receipt whose booking was cleared in the same clearing document paid the invoice.
payments as (
    select
        booked.system_id,
        booked.company_code,
        booked.clearing_fiscal_year,
        booked.clearing_document,
        min(receipts.correlation_id) as correlation_id
    from {{ ref('fct_receipts') }} as receipts
    inner join {{ ref('fct_open_items') }} as booked on receipts.booked_item_key = booked.item_key
    where booked.is_cleared and booked.clearing_document is not null
    group by all
),

desired as (
    select
        links.system_id,
        links.native_id as account_id,
        links.account_name,
        items.* exclude (system_id),
        coalesce(payments.correlation_id, 'item-' || items.item_key) as correlation_id
    from items
    inner join links on items.customer_id = links.customer_id
    left join known
        on
            items.is_cleared
            and links.system_id = known.system_id
            and items.item_key = known.item_key
    left join payments
        on
            items.is_cleared
            and items.system_id = payments.system_id
            and items.company_code = payments.company_code
            and items.clearing_fiscal_year = payments.clearing_fiscal_year
            and items.clearing_document = payments.clearing_document
    where not items.is_cleared or known.item_key is not null
),

detached as (
    select
        observed.system_id,
        cast(null as varchar) as account_id,
        cast(null as varchar) as account_name,
        items.* exclude (system_id),
        'item-' || items.item_key as correlation_id
    from items
    inner join {{ ref('stg_salesforce__ar_invoices') }} as observed
        on items.item_key = observed.item_key and not observed.is_deleted
    where
        exists (
            select 1
            from {{ source('ledger', 'acknowledged') }} as written
            where
                written.object_name = 'invoices'
                and written.system_id = observed.system_id
                and written.object_key = observed.item_key
        )
        and not exists (
            select 1
            from links
            where
                links.system_id = observed.system_id and links.customer_id = items.customer_id
        )
        and not exists (
            select 1
            from {{ ref('int_customer_links_doubted') }} as doubted
            where
                doubted.system_id = observed.system_id
                and doubted.customer_id = items.customer_id
        )
),

wanted as (
    select * from desired
    union all by name
    select * from detached
)

select
    system_id,
    item_key as object_key,
    account_id,
    company_code,
    currency_code,
    invoice_number,
    {{ money_text('amount_original') }} as amount,
    {{ money_text('amount_open') }} as open_amount,
    {{ date_text('document_date') }} as invoice_date,
    {{ date_text('due_date') }} as due_date,
    case
        when is_cleared then 'Paid'
        when days_past_due > 0 then 'Overdue'
        else 'Open'
    end as status,
    aging_bucket,
    {{ date_text('as_of_date') }} as as_of_date,
    correlation_id as ctx_correlation_id,
    system_id || '/' || coalesce(account_id, item_key) as ctx_lane,
    customer_id as ctx_customer_id,
    account_name as ctx_customer_name,
    company_code as ctx_company_code,
    invoice_number as ctx_document,
    amount_original as ctx_amount,
    currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from wanted
