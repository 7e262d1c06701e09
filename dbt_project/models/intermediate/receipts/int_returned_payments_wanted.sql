-- Payments that the bank took back, of every ERP kind: each return beside the one receipt it undoes
-- (same company and amount, and the reference the bank gives for it, the payer's own end-to-end id,
-- or our bank's reference of the receipt in the return's text). What the hub cleared with that
-- receipt is opened again line by line; a receipt that pays nothing yet is undone on the customer's
-- account. Anything else is a person's. A return that went out stays wanted, although it used its
-- receipt up.
with returned as (
    select * from {{ ref('fct_receipts') }}
    where needs_review_reason = 'bank_reversal' and bank_line = 'hub'
),

receipts as (
    select * from {{ ref('fct_receipts') }}
    where
        needs_review_reason is null
        and booked_by <> 'none'
        and booked_customer_id is not null
        and not is_unidentified
        and amount > 0
),

pairs as (
    select
        returned.receipt_id as return_id,
        receipts.receipt_id,
        count(*) over (partition by returned.receipt_id) as receipt_count,
        count(*) over (partition by receipts.receipt_id) as return_count
    from returned
    inner join receipts
        on
            returned.system_id = receipts.system_id
            and returned.company_code = receipts.company_code
            and returned.currency_code = receipts.currency_code
            and abs(returned.amount) = receipts.amount
            and returned.value_date >= receipts.value_date
            and (
                returned.original_reference in (receipts.bank_reference, receipts.end_to_end_id)
                or returned.end_to_end_id = receipts.end_to_end_id
                or (
                    length(receipts.bank_reference) >= 8
                    and contains(
                        concat_ws(
                            ' ', returned.remittance_text, returned.references_text
                        ), receipts.bank_reference
                    )
                )
            )
),

-- How the hub cleared the receipt; of one that somebody else applied, the hub does not know.
cleared as (
    select
        system_id,
        business_key as receipt_id,
        payload
    from {{ source('ledger', 'commands') }}
    where object_name in ('clearings', 'applications') and state = 'verified'
    qualify row_number() over (partition by system_id, business_key order by revision desc) = 1
),

sent as (
    select distinct
        system_id,
        business_key as return_id
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'returned_payments'
        and state not in ('rejected', 'dead', 'superseded', 'void')
),

items as (
    select * from {{ ref('fct_open_items') }}
),

cleared_lines as (
    select
        cleared.system_id,
        cleared.receipt_id,
        unnest(json_extract(cleared.payload, '$.lines[*]')) as line
    from cleared
),

opened as (
    select
        cleared_lines.system_id,
        cleared_lines.receipt_id,
        '[' || string_agg(
            cast(json_merge_patch(cleared_lines.line, to_json({
                'invoice_number': items.invoice_number,
                'due_date': {{ date_text('items.due_date') }}
            })) as varchar), ',' order by cast(cleared_lines.line as varchar)
        ) || ']' as lines
    from cleared_lines
    left join items
        on
            cleared_lines.system_id = items.system_id
            and json_extract_string(cleared_lines.line, '$.item_key') = items.item_key
    group by all
),

customers as (
    select * from {{ ref('dim_customers') }}
),

companies as (
    select * from {{ ref('dim_legal_entities') }}
)

select
    returned.system_id,
    systems.kind,
    returned.receipt_id as object_key,
    returned.company_code,
    customers.customer,
    {{ money_text('abs(returned.amount)') }} as amount,
    cast(null as varchar) as fee_amount,
    returned.currency_code,
    {{ date_text(posting_day('returned', 'companies')) }} as posting_date,
    {{ date_text('returned.booking_date') }} as document_date,
    {{ date_text('returned.value_date') }} as value_date,
    returned.gl_account as bank_gl_account,
    left(coalesce(returned.bank_reference, returned.receipt_id), 16) as bank_reference,
    left('Returned payment ' || coalesce(receipts.bank_reference, ''), 50) as item_text,
    opened.lines,
    receipts.booked_document as receipt_document,
    receipts.receipt_id as receipt_key,
    receipts.correlation_id as ctx_correlation_id,
    returned.system_id || '/' || returned.company_code || '/' || customers.customer as ctx_lane,
    customers.customer_id as ctx_customer_id,
    customers.name as ctx_customer_name,
    returned.company_code as ctx_company_code,
    receipts.booked_document as ctx_document,
    abs(returned.amount) as ctx_amount,
    returned.currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from pairs
inner join returned on pairs.return_id = returned.receipt_id
inner join receipts on pairs.receipt_id = receipts.receipt_id
inner join {{ source('config', 'systems') }} as systems on returned.system_id = systems.system_id
inner join customers on receipts.booked_customer_id = customers.customer_id
inner join companies
    on returned.system_id = companies.system_id and returned.company_code = companies.company_code
left join opened
    on receipts.system_id = opened.system_id and receipts.receipt_id = opened.receipt_id
left join sent on returned.system_id = sent.system_id and returned.receipt_id = sent.return_id
where
    pairs.receipt_count = 1
    and pairs.return_count = 1
    and {{ posting_day('returned', 'companies') }} is not null
    and not coalesce(
        companies.closed_period = 'park' and returned.value_date < companies.posting_open_from,
        false
    )
    and (
        opened.lines is not null
        or receipts.amount_unapplied = receipts.amount
        or sent.return_id is not null
    )
