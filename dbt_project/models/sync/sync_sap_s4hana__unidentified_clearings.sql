-- Receipts that moved from the unidentified account to their customer: the first posting's line and
-- the move's close each other. A move that is still to be posted is waited for.
with moving as (
    select
        wanted.receipt_id,
        wanted.posting_key as after_key,
        wanted.lane,
        wanted.customer_id,
        wanted.customer_name,
        receipts.booked_item_key as item_key,
        cast(null as varchar) as moved_fiscal_year,
        cast(null as varchar) as moved_document
    from {{ ref('int_receipts_to_post') }} as wanted
    inner join {{ ref('fct_receipts') }} as receipts on wanted.receipt_id = receipts.receipt_id
    where wanted.kind = 'sap_s4hana' and wanted.posting_key <> wanted.receipt_id
),

booked as (
    select * from {{ ref('int_receipts_booked_by_hub') }}
    where not is_reversed
),

commands as (
    select
        system_id,
        business_key,
        external_key
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'journal_entries'
        and state = 'verified'
        and ends_with(business_key, '{{ moved_suffix() }}')
),

moved as (
    select
        first_posting.receipt_id,
        cast(null as varchar) as after_key,
        moves.system_id || '/' || moves.company_code || '/' || moves.customer as lane,
        moves.customer_id,
        cast(null as varchar) as customer_name,
        first_posting.item_key,
        moves.fiscal_year as moved_fiscal_year,
        moves.accounting_document as moved_document
    from booked as first_posting
    inner join booked as moves
        on first_posting.receipt_id = moves.receipt_id and not moves.is_unidentified
    inner join commands
        on moves.system_id = commands.system_id and moves.external_key = commands.external_key
    where first_posting.is_unidentified and not first_posting.is_cleared_now
),

wanted as (
    select * from moving
    union all by name
    select * from moved
),

items as (
    select * from {{ ref('int_erp_receipts_keyed') }}
),

gl_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
)

select
    items.system_id,
    wanted.receipt_id as object_key,
    items.company_code,
    gl_accounts.gl_account,
    items.currency_code,
    {{ date_text('items.as_of_date') }} as posting_date,
    wanted.moved_fiscal_year as receipt_fiscal_year,
    wanted.moved_document as receipt_document,
    cast(null as varchar) as receipt_item,
    '[' || cast(to_json({
        'item_key': items.item_key,
        'fiscal_year': items.fiscal_year,
        'document': items.accounting_document,
        'item': items.accounting_document_item,
        'amount': {{ money_text('-items.amount') }}
    }) as varchar) || ']' as lines,
    'rcpt-' || wanted.receipt_id as ctx_correlation_id,
    wanted.lane as ctx_lane,
    wanted.customer_id as ctx_customer_id,
    wanted.customer_name as ctx_customer_name,
    items.company_code as ctx_company_code,
    items.accounting_document as ctx_document,
    items.amount as ctx_amount,
    items.currency_code as ctx_currency_code,
    wanted.after_key as ctx_after_key
from wanted
inner join items on wanted.item_key = items.item_key
inner join gl_accounts on items.system_id = gl_accounts.system_id
