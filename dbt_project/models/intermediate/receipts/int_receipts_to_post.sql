-- Every receipt that the hub must book, of every ERP kind: on the customer when the payer is
-- certain, else among the unidentified receipts. Applying it is another decision.
with receipts as (
    select * from {{ ref('int_receipts_decided') }}
    where
        booked_by = 'none'
        and bank_line = 'hub'
        and needs_review_reason is null
        and not is_maybe_booked
        and amount > 0
)

select
    receipts.system_id,
    systems.kind,
    receipts.receipt_id,
    receipts.company_code,
    if(receipts.decided_customer is null, 'unidentified', 'customer') as posting_kind,
    receipts.decided_customer as customer,
    receipts.amount,
    receipts.currency_code,
    receipts.posting_date,
    receipts.booking_date as document_date,
    receipts.value_date,
    receipts.gl_account as bank_gl_account,
    coalesce(receipts.bank_reference, receipts.receipt_id) as bank_reference,
    trim(regexp_replace(coalesce(receipts.payer_name, 'bank receipt'), '\s+', ' ', 'g'))
        as payer_text,
    receipts.correlation_id,
    receipts.system_id || '/' || receipts.company_code || '/'
    || coalesce(receipts.decided_customer, 'unidentified') as lane,
    receipts.decided_customer_id as customer_id,
    coalesce(receipts.decided_customer_name, receipts.payer_name) as customer_name
from receipts
inner join {{ source('config', 'systems') }} as systems on receipts.system_id = systems.system_id
