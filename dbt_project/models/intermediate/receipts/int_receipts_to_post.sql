-- Every receipt that the hub must book, of every ERP kind: on the customer when the payer is
-- certain, else among the unidentified receipts. Applying it is another decision. One that waits
-- among the unidentified is moved as soon as its payer is certain: a payment of the customer that
-- comes from the unidentified account instead of the bank's, on the day it is moved, under a key
-- of its own.
with receipts as (
    select * from {{ ref('int_receipts_decided') }}
    where needs_review_reason is null and amount > 0 and posting_date is not null
),

systems as (
    select * from {{ source('config', 'systems') }}
),

gl_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
),

new as (
    select
        *,
        receipt_id as posting_key,
        coalesce(bank_reference, receipt_id) as posting_reference,
        gl_account as from_gl_account,
        posting_date as wanted_date
    from receipts
    where
        booked_by = 'none'
        and bank_line = 'hub'
        and not is_maybe_booked
        and not is_parked
),

-- What is cleared on that account somebody has moved already. The document it comes from stands as
-- the reference: a bank's reference is booked once.
moved as (
    select
        receipts.*,
        receipts.receipt_id || '{{ moved_suffix() }}' as posting_key,
        receipts.booked_document as posting_reference,
        gl_accounts.gl_account as from_gl_account,
        receipts.as_of_date as wanted_date
    from receipts
    inner join systems
        on
            receipts.system_id = systems.system_id
            and list_contains({{ var('kinds_that_move_unidentified') }}, systems.kind)
    inner join gl_accounts on receipts.system_id = gl_accounts.system_id
    where
        receipts.is_unidentified
        and receipts.amount_unapplied = receipts.amount
        and receipts.decided_customer is not null
        and not receipts.is_maybe_booked
),

wanted as (
    select * from new
    union all by name
    select * from moved
)

select
    wanted.system_id,
    systems.kind,
    wanted.receipt_id,
    wanted.posting_key,
    wanted.company_code,
    if(wanted.decided_customer is null, 'unidentified', 'customer') as posting_kind,
    wanted.decided_customer as customer,
    wanted.amount,
    wanted.currency_code,
    wanted.wanted_date as posting_date,
    wanted.booking_date as document_date,
    wanted.value_date,
    wanted.from_gl_account as bank_gl_account,
    wanted.posting_reference as bank_reference,
    trim(regexp_replace(coalesce(wanted.payer_name, 'bank receipt'), '\s+', ' ', 'g'))
        as payer_text,
    wanted.correlation_id,
    wanted.system_id || '/' || wanted.company_code || '/'
    || coalesce(wanted.decided_customer, 'unidentified') as lane,
    wanted.decided_customer_id as customer_id,
    coalesce(wanted.decided_customer_name, wanted.payer_name) as customer_name
from wanted
inner join systems on wanted.system_id = systems.system_id
