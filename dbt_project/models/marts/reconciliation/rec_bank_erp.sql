-- Money the bank shows beside money the ERP booked, per company and currency: what is booked by
-- whom, what is not booked yet, and what the ERP booked without a bank receipt behind it.
with receipts as (
    select * from {{ ref('fct_receipts') }}
    where company_code is not null
),

bank as (
    select
        system_id,
        company_code,
        currency_code,
        count(*) as receipts,
        sum(amount) as amount_bank,
        sum(if(booked_by = 'hub', amount, 0)) as amount_booked_hub,
        sum(if(booked_by = 'erp', amount, 0)) as amount_booked_erp,
        sum(if(booked_by = 'none', amount, 0)) as amount_unbooked,
        count_if(booked_by = 'none') as receipts_unbooked,
        count_if(booking_count > 1) as receipts_booked_twice,
        min(value_date) as first_value_date
    from receipts
    group by all
),

-- What carries the hub's key belongs to a receipt, even where another item now stands for it.
of_receipts as (
    select booked_item_key as item_key from receipts
    where booked_item_key is not null
    union distinct
    select item_key from {{ ref('int_receipts_booked_by_hub') }}
),

-- Payments booked before the first statement we hold cannot have a receipt here.
unmatched as (
    select
        items.system_id,
        items.company_code,
        items.currency_code,
        count(*) as postings,
        sum(items.amount) as amount
    from {{ ref('int_erp_receipts_keyed') }} as items
    inner join bank
        on
            items.system_id = bank.system_id
            and items.company_code = bank.company_code
            and items.currency_code = bank.currency_code
            and items.posting_date >= bank.first_value_date
    where
        not items.is_reversed
        and items.posting_date <= items.as_of_date
        and items.item_key not in (select of_receipts.item_key from of_receipts)
    group by all
)

select
    bank.system_id,
    bank.company_code,
    bank.currency_code,
    bank.receipts,
    cast(bank.amount_bank as decimal(28, 6)) as amount_bank,
    cast(bank.amount_booked_hub as decimal(28, 6)) as amount_booked_hub,
    cast(bank.amount_booked_erp as decimal(28, 6)) as amount_booked_erp,
    cast(bank.amount_unbooked as decimal(28, 6)) as amount_unbooked,
    cast(bank.receipts_unbooked as bigint) as receipts_unbooked,
    cast(bank.receipts_booked_twice as bigint) as receipts_booked_twice,
    cast(coalesce(unmatched.postings, 0) as bigint) as erp_postings_unmatched,
    cast(coalesce(unmatched.amount, 0) as decimal(28, 6)) as amount_erp_unmatched,
    cast(bank.amount_unbooked - coalesce(unmatched.amount, 0) as decimal(28, 6)) as difference,
    bank.receipts_unbooked = 0
    and bank.receipts_booked_twice = 0
    and coalesce(unmatched.postings, 0) = 0 as is_tied
from bank
left join unmatched
    on
        bank.system_id = unmatched.system_id
        and bank.company_code = unmatched.company_code
        and bank.currency_code = unmatched.currency_code
