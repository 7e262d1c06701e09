-- Credit memos of the hub that Tryton holds, by the key that travelled with them. What it was
-- about and the account of its line are not read.
with commands as (
    select
        system_id,
        business_key,
        external_key
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'credit_memos' and kind = 'tryton' and coalesce(external_key, '') <> ''
),

items as (
    select * from {{ ref('fct_open_items') }}
)

select
    items.system_id,
    commands.business_key as object_key,
    items.company_code,
    items.customer,
    cast(null as varchar) as posting_kind,
    {{ money_text('-items.amount_original') }} as amount,
    items.currency_code,
    {{ date_text('items.posting_date') }} as posting_date,
    cast(null as varchar) as document_date,
    cast(null as varchar) as reason_code,
    cast(null as varchar) as invoice_number,
    cast(null as varchar) as item_text,
    cast(null as varchar) as is_agreed,
    items.accounting_document as native_id
from items
inner join commands
    on items.system_id = commands.system_id and items.external_key = commands.external_key
