-- Receipts to clear against items, of every ERP kind: only automatic decisions whose rows give
-- every cent of the receipt a place, on items which are still wholly open, unblocked, of the
-- decided customer, and claimed by no other receipt. A line that closes a whole item says just
-- that; discount, fees, deductions (by reason), a paid part and what stays on account stand only
-- where there are any.
with receipts as (
    select * from {{ ref('int_receipts_decided') }}
    where
        decision = 'auto'
        and decided_customer is not null
        and needs_review_reason is null
        and amount > 0
        and amount_unapplied = amount
        and posting_date is not null
),

to_book as (
    select
        receipt_id,
        posting_key
    from {{ ref('int_receipts_to_post') }}
    where posting_kind = 'customer'
),

-- What moves to its customer in this run is cleared in the document that the move makes.
ready as (
    select
        receipts.* exclude (
            booked_item_key, booked_fiscal_year, booked_document, booked_document_item
        ),
        to_book.posting_key as after_key,
        if(to_book.posting_key is null, receipts.booked_item_key, null) as booked_item_key,
        if(to_book.posting_key is null, receipts.booked_fiscal_year, null) as booked_fiscal_year,
        if(to_book.posting_key is null, receipts.booked_document, null) as booked_document,
        if(to_book.posting_key is null, receipts.booked_document_item, null)
            as booked_document_item
    from receipts
    left join to_book on receipts.receipt_id = to_book.receipt_id
    where
        to_book.receipt_id is not null
        or (
            receipts.booked_by <> 'none'
            and not receipts.is_unidentified
            and receipts.booked_customer_id = receipts.decided_customer_id
        )
),

-- Every row of a decision must be of a known kind and have its own sign; together they make the
-- receipt.
applications as (
    select
        *,
        sum(amount) over (partition by receipt_id) as amount_decided,
        bool_and(case kind
            when 'apply' then item_key is not null and amount <> 0
            when 'on_account' then item_key is null and amount > 0
            else kind in ('discount', 'fee', 'deduction') and amount < 0
        end) over (partition by receipt_id) as is_sound
    from {{ source('decisions', 'applications') }}
    where rank = 1
),

-- What is kept back without naming an item belongs to the largest one; a discount on the whole
-- payment to every invoice by its amount, the rounding to the largest.
largest as (
    select
        receipt_id,
        arg_max(item_key, (amount, item_key)) as item_key,
        sum(amount) filter (where amount > 0) as amount_invoices
    from applications
    where kind = 'apply'
    group by receipt_id
),

discounts as (
    select
        receipt_id,
        -sum(amount) as amount
    from applications
    where kind = 'discount' and item_key is null
    group by receipt_id
),

grouped as (
    select
        applications.receipt_id,
        coalesce(applications.item_key, largest.item_key) as item_key,
        coalesce(applications.item_key, largest.item_key) = largest.item_key as is_largest,
        any_value(largest.amount_invoices) as amount_invoices,
        max(applications.customer_id) filter (where applications.kind = 'apply') as customer_id,
        max(applications.currency_code) as currency_code,
        count(*) filter (where applications.kind = 'apply') as apply_count,
        sum(applications.amount) filter (where applications.kind = 'apply') as amount_applied,
        coalesce(
            -sum(applications.amount) filter (
                where applications.kind = 'discount' and applications.item_key is not null
            ), 0
        ) as amount_own_discount,
        coalesce(-sum(applications.amount) filter (where applications.kind = 'fee'), 0)
            as amount_fee,
        coalesce(-sum(applications.amount) filter (where applications.kind = 'deduction'), 0)
            as amount_deduction,
        bool_or(
            applications.kind = 'fee' and contains(lower(applications.stage), 'tolerance')
        ) as is_tolerance,
        any_value(applications.amount_decided) as amount_decided
    from applications
    inner join largest on applications.receipt_id = largest.receipt_id
    where applications.is_sound and applications.kind <> 'on_account'
    group by all
),

shared as (
    select
        grouped.*,
        coalesce(discounts.amount, 0) as amount_shared,
        -- In millionths as whole numbers: dividing decimals would go through a float.
        coalesce({{ rounded_money(
            "cast(cast(discounts.amount * 1000000 as hugeint)"
            " * cast(greatest(grouped.amount_applied, 0) * 1000000 as hugeint)"
            " // cast(grouped.amount_invoices * 1000000 as hugeint) as decimal(20, 0))"
            " * cast('0.000001' as decimal(7, 6))",
            'grouped.currency_code'
        ) }}, 0) as amount_share
    from grouped
    left join discounts on grouped.receipt_id = discounts.receipt_id
),

placed as (
    select
        *,
        amount_own_discount + amount_share + if(
            is_largest, amount_shared - sum(amount_share) over (partition by receipt_id), 0
        ) as amount_discount
    from shared
),

on_account as (
    select
        receipt_id,
        sum(amount) as amount_on_account
    from applications
    where kind = 'on_account'
    group by receipt_id
),

-- The reasons of deductions; where they do not make the whole deduction, nobody knows better.
reasons as (
    select
        receipt_id,
        item_key,
        sum(abs(amount)) as amount,
        list(
            {
                'kind': 'deduction',
                'reason_code': coalesce(reason_code, 'OTHER'),
                'amount': {{ money_text('abs(amount)') }}
            }
            order by reason_code, dispute_id
        ) as differences
    from {{ source('decisions', 'deductions') }}
    where receipt_id is not null
    group by receipt_id, item_key
),

items as (
    select * from {{ ref('fct_open_items') }}
    where not is_cleared
),

matched as (
    select
        ready.receipt_id,
        ready.amount as receipt_amount,
        ready.decided_customer,
        placed.*,
        items.customer as item_customer,
        items.fiscal_year,
        items.accounting_document,
        items.accounting_document_item,
        items.posting_date,
        items.amount_open,
        placed.amount_applied <> items.amount_open as is_part,
        placed.amount_discount + placed.amount_fee + placed.amount_deduction as amount_kept,
        list_concat(
            case
                when placed.amount_deduction = 0 then []
                when placed.amount_deduction = reasons.amount then reasons.differences
                else [{
                    'kind': 'deduction', 'reason_code': 'OTHER',
                    'amount': {{ money_text('placed.amount_deduction') }}
                }]
            end,
            case
                when placed.amount_fee = 0 then []
                else [{
                    'kind': 'fee',
                    'reason_code': if(placed.is_tolerance, 'ROUNDING', 'BANK-FEE'),
                    'amount': {{ money_text('placed.amount_fee') }}
                }]
            end
        ) as differences,
        coalesce(
            placed.apply_count = 1
            and not items.is_payment_blocked
            and items.company_code = ready.company_code
            and items.currency_code = ready.currency_code
            and items.customer_id = coalesce(placed.customer_id, ready.decided_customer_id)
            and items.item_key is distinct from ready.booked_item_key, false
        ) as is_of_customer,
        min(ready.receipt_id) over (partition by placed.item_key)
        = max(ready.receipt_id) over (partition by placed.item_key) as is_claimed_once
    from ready
    inner join placed on ready.receipt_id = placed.receipt_id
    left join items
        on placed.item_key = items.item_key and ready.system_id = items.system_id
    left join reasons
        on placed.receipt_id = reasons.receipt_id and placed.item_key = reasons.item_key
),

lined as (
    select
        *,
        is_of_customer
        and is_claimed_once
        and if(
            is_part,
            amount_applied > 0 and amount_applied < amount_open and amount_kept = 0,
            amount_kept = 0 or amount_kept < amount_applied
        ) as is_fit,
        case
            when not is_part and amount_kept = 0 and item_customer = decided_customer
                then cast(to_json({
                    'item_key': item_key,
                    'fiscal_year': fiscal_year,
                    'document': accounting_document,
                    'item': accounting_document_item,
                    'amount': {{ money_text('amount_applied') }}
                }) as varchar)
            else cast(json_merge_patch('{}', to_json({
                'item_key': item_key,
                'fiscal_year': fiscal_year,
                'document': accounting_document,
                'item': accounting_document_item,
                'amount': {{ money_text('amount_applied') }},
                'customer': nullif(item_customer, decided_customer),
                'kind': if(is_part, 'partial', null),
                'open_amount': if(is_part, {{ money_text('amount_open') }}, null),
                'discount_amount': if(
                    amount_discount = 0, null, {{ money_text('amount_discount') }}
                ),
                'differences': if(len(differences) = 0, null, differences)
            })) as varchar)
        end as line
    from matched
),

summed as (
    select
        lined.receipt_id,
        max(lined.posting_date) as item_posting_date,
        string_agg(lined.line, ',' order by lined.item_key) as item_lines,
        any_value(on_account.amount_on_account) as amount_on_account
    from lined
    left join on_account on lined.receipt_id = on_account.receipt_id
    group by lined.receipt_id
    having
        bool_and(lined.is_fit)
        and any_value(lined.amount_decided) = any_value(lined.receipt_amount)
        -- Once more, from what the lines say.
        and sum(lined.amount_applied - lined.amount_kept)
        + coalesce(any_value(on_account.amount_on_account), 0) = any_value(lined.receipt_amount)
)

select
    ready.system_id,
    systems.kind,
    ready.receipt_id,
    ready.company_code,
    ready.decided_customer as customer,
    ready.currency_code,
    least(greatest(ready.posting_date, summed.item_posting_date), ready.as_of_date)
        as posting_date,
    ready.booked_item_key,
    ready.booked_fiscal_year,
    ready.booked_document,
    ready.booked_document_item,
    '[' || concat_ws(
        ',',
        summed.item_lines,
        case
            when summed.amount_on_account is not null then cast(to_json({
                'kind': 'on_account', 'amount': {{ money_text('summed.amount_on_account') }}
            }) as varchar)
        end
    ) || ']' as lines,
    ready.correlation_id,
    ready.system_id || '/' || ready.company_code || '/' || ready.decided_customer as lane,
    ready.decided_customer_id as customer_id,
    ready.decided_customer_name as customer_name,
    ready.amount,
    ready.after_key
from ready
inner join summed on ready.receipt_id = summed.receipt_id
inner join {{ source('config', 'systems') }} as systems on ready.system_id = systems.system_id
