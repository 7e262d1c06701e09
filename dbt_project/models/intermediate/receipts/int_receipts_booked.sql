-- (Step 4/4) Which ERP item books which receipt, and who made it: the hub's own bookings first,
-- then the ERP's by company, amount and bank reference, one to one.
with receipts as (
    select * from {{ ref('int_receipts_mapped') }}
    where company_code is not null
),

items as (
    select * from {{ ref('int_erp_receipts_keyed') }}
),

booked_by_hub as (
    select * from {{ ref('int_receipts_booked_by_hub') }}
),

-- Two receipts may carry the same reference and amount: the first of one side books the first of
-- the other, so that one ERP item never stands for two receipts.
erp_candidates as (
    select
        *,
        upper(left(bank_reference, 16)) as bank_reference_key,
        row_number() over (
            partition by
                system_id, company_code, currency_code, amount, upper(left(bank_reference, 16))
            order by posting_date, item_key
        ) as ordinal
    from items
    where
        not is_reversed
        and bank_reference is not null
        and item_key not in (select booked_by_hub.item_key from booked_by_hub)
),

erp_wanted as (
    select
        *,
        upper(left(bank_reference, 16)) as bank_reference_key,
        row_number() over (
            partition by
                system_id, company_code, currency_code, amount, upper(left(bank_reference, 16))
            order by value_date, receipt_id
        ) as ordinal
    from receipts
    where
        bank_reference is not null
        and receipt_id not in (
            select booked_by_hub.receipt_id from booked_by_hub
            where not booked_by_hub.is_reversed
        )
),

booked_by_erp as (
    select
        erp_wanted.receipt_id,
        erp_candidates.* exclude (bank_reference_key, ordinal)
    from erp_wanted
    inner join erp_candidates
        on
            erp_wanted.system_id = erp_candidates.system_id
            and erp_wanted.company_code = erp_candidates.company_code
            and erp_wanted.currency_code = erp_candidates.currency_code
            and erp_wanted.amount = erp_candidates.amount
            and erp_wanted.bank_reference_key = erp_candidates.bank_reference_key
            and erp_wanted.ordinal = erp_candidates.ordinal
),

found as (
    select
        * exclude (preference),
        'hub' as booked_by
    from booked_by_hub
    where preference = 1 and not is_reversed
    union all by name
    select
        *,
        1 as booking_count,
        'erp' as booked_by
    from booked_by_erp
),

-- A payment that a person booked for the same customer and amount, without the bank's reference,
-- may be this very receipt: a person says so, the hub never posts it by itself.
booked_by_people as (
    select distinct
        receipts.receipt_id,
        true as is_maybe_booked
    from receipts
    inner join items
        on
            receipts.system_id = items.system_id
            and receipts.company_code = items.company_code
            and receipts.payer_customer_id = items.customer_id
            and receipts.amount = items.amount
            and receipts.currency_code = items.currency_code
            and receipts.value_date <= items.posting_date
    where
        not items.is_reversed
        and items.item_key not in (select booked_by_hub.item_key from booked_by_hub)
        and items.item_key not in (select found.item_key from found)
),

-- What the bank took back is used up, whatever stands beside it in the ERP until both are closed.
returned as (
    select distinct
        system_id,
        payload ->> '$.receipt_key' as receipt_id,
        true as is_returned
    from {{ source('ledger', 'commands') }}
    where
        object_name = 'returned_payments'
        and state in ('sending', 'accepted', 'unknown', 'verified')
),

reversed as (
    select distinct
        receipt_id,
        true as is_booking_reversed
    from booked_by_hub
    where is_reversed
),

booked as (
    select
        receipts.receipt_id,
        coalesce(found.booked_by, 'none') as booked_by,
        coalesce(found.booking_count, 0) as booking_count,
        found.item_key as booked_item_key,
        found.fiscal_year as booked_fiscal_year,
        found.accounting_document as booked_document,
        found.accounting_document_item as booked_document_item,
        found.customer_id as booked_customer_id,
        found.amount as booked_amount,
        found.amount_applied as booked_amount_applied,
        coalesce(found.is_unidentified, false) as is_unidentified,
        coalesce(
            found.is_cleared_now
            and coalesce(found.clearing_date, found.posting_date) <= found.as_of_date, false
        )
        or coalesce(returned.is_returned, false) as is_applied,
        found.item_key is null and coalesce(reversed.is_booking_reversed, false)
            as is_booking_reversed,
        found.item_key is null and coalesce(booked_by_people.is_maybe_booked, false)
            as is_maybe_booked
    from receipts
    left join found on receipts.receipt_id = found.receipt_id
    left join reversed on receipts.receipt_id = reversed.receipt_id
    left join returned
        on receipts.system_id = returned.system_id and receipts.receipt_id = returned.receipt_id
    left join booked_by_people on receipts.receipt_id = booked_by_people.receipt_id
)

select * from booked
