-- Rows of the systems that are kept but cannot be used as they are: what, where and what to do.
with missing_customers as (
    select
        items.system_id,
        'missing_customer' as code,
        'open_items' as object_name,
        items.item_key as object_key,
        items.company_code,
        items.amount_open as amount,
        items.currency_code,
        'customer ' || items.customer
        || ' is not in the customer master: read it, or correct the item' as message
    from {{ ref('fct_open_items') }} as items
    left join {{ ref('dim_customers') }} as customers on items.customer_id = customers.customer_id
    where customers.customer_id is null and items.amount_open <> 0
),

missing_due_dates as (
    select
        system_id,
        'missing_due_date' as code,
        'open_items' as object_name,
        item_key as object_key,
        company_code,
        amount_open as amount,
        currency_code,
        'no due date: aged by its posting date until the ERP has one' as message
    from {{ ref('fct_open_items') }}
    where is_due_date_missing and item_class = 'invoice' and amount_open <> 0
),

missing_rates as (
    select
        aging.system_id,
        'missing_rate' as code,
        'aging' as object_name,
        aging.customer_id as object_key,
        aging.company_code,
        aging.amount_net as amount,
        aging.currency_code,
        'no rate for ' || aging.currency_code || ': add it under [hub.rates]' as message
    from {{ ref('fct_aging') }} as aging
    left join {{ source('config', 'rates') }} as rates
        on aging.currency_code = rates.currency_code
    where rates.currency_code is null
),

-- Returns that the hub undoes by itself are nobody's problem.
undone as (
    select object_key as receipt_id from {{ ref('int_returned_payments_wanted') }}
),

receipts as (
    select
        system_id,
        needs_review_reason as code,
        'receipts' as object_name,
        receipt_id as object_key,
        company_code,
        amount,
        currency_code,
        case needs_review_reason
            when 'unknown_bank_account'
                then
                    'own account ' || coalesce(bank_account_masked, '')
                    || ' is in no configuration'
            when 'bank_reversal' then 'the bank reversed an entry: reopen what it paid'
            when 'interim_unconfirmed'
                then 'an interim report booked it, the statement of that day does not: ask the bank'
            when 'booking_reversed' then 'its booking was reversed in the ERP: book it again or not'
            else 'a payment of this amount was booked by hand: is it this receipt?'
        end as message
    from {{ ref('fct_receipts') }}
    where
        needs_review_reason is not null
        and receipt_id not in (select undone.receipt_id from undone)
),

-- The same doubt for customers found by the decision instead of the payer's account.
decided_receipts as (
    select
        system_id,
        'possible_double_booking' as code,
        'receipts' as object_name,
        receipt_id as object_key,
        company_code,
        amount,
        currency_code,
        'a payment of this amount was booked by hand: is it this receipt?' as message
    from {{ ref('int_receipts_decided') }}
    where is_maybe_booked and needs_review_reason is null
),

-- Money that waits for its company's posting period: parked by the policy, or no day is open yet.
periods as (
    select
        receipts.system_id,
        'closed_period' as code,
        'receipts' as object_name,
        receipts.receipt_id as object_key,
        receipts.company_code,
        receipts.amount,
        receipts.currency_code,
        'its value date ' || receipts.value_date || ' lies in a period that '
        || receipts.company_code || ' has closed: open the period (posting_open_from), or post it'
            as message
    from {{ ref('int_receipts_decided') }} as receipts
    where
        (receipts.is_parked or receipts.posting_date is null)
        and receipts.booked_by = 'none'
        and receipts.bank_line = 'hub'
        and receipts.needs_review_reason is null
        and not receipts.is_maybe_booked
        and receipts.amount > 0
),

-- Who stands in a circle of heads, or below one, has no group: everybody else's goes on.
hierarchy as (
    select
        system_id,
        'circular_hierarchy' as code,
        'hierarchy' as object_name,
        customer_id as object_key,
        cast(null as varchar) as company_code,
        cast(null as decimal(28, 6)) as amount,
        cast(null as varchar) as currency_code,
        'its head ' || parent_customer_id
        || ' stands in a circle: it counts as a group of its own until the ERP is corrected'
            as message
    from {{ ref('int_customer_parents') }}
    where is_circular
),

-- A file under the same name that arrived later and was taken settles what was wrong with it.
files as (
    select
        system_id,
        reason_code as code,
        'files' as object_name,
        file_name as object_key,
        cast(null as varchar) as company_code,
        cast(null as decimal(28, 6)) as amount,
        cast(null as varchar) as currency_code,
        reason as message
    from {{ ref('stg_bank_files__files') }}
    qualify
        row_number() over (
            partition by system_id, file_name order by received_at desc, loaded_at desc
        ) = 1
        and reason_code is not null
),

-- What an account names and nobody may guess, and what keeps the totals of an account from being
-- shown: a part of its customers would look like all of them.
links as (
    select distinct
        system_id,
        conflict as code,
        'links' as object_name,
        native_id || '/' || coalesce(erp_customer_number, '') as object_key,
        cast(null as varchar) as company_code,
        cast(null as decimal(28, 6)) as amount,
        cast(null as varchar) as currency_code,
        'account ' || coalesce(account_name, native_id) || ' names '
        || coalesce(erp_customer_number, 'a customer')
        || case conflict
            when 'several_customers'
                then
                    ', which ' || customer_count
                    || ' customers have: name the customer id, or link one of them'
            when 'several_accounts'
                then ', and so do others: its totals wait until one account names it'
            else ', which no ERP has: its totals wait until that is corrected'
        end as message
    from {{ ref('ops_link_conflicts') }}
    where
        conflict = 'several_customers'
        or (
            conflict in ('no_customer', 'several_accounts')
            and (system_id, native_id) in (
                select (certain.system_id, certain.native_id)
                from {{ ref('dim_customer_links') }} as certain
                where certain.relation = 'account'
            )
        )
),

problems as (
    select * from missing_customers
    union all
    select * from missing_due_dates
    union all
    select * from missing_rates
    union all
    select * from receipts
    union all
    select * from decided_receipts
    union all
    select * from periods
    union all
    select * from files
    union all
    select * from links
    union all
    select * from hierarchy
)

select * from problems
