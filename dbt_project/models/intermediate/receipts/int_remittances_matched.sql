-- Lines of remittance advices beside the receipt that they explain: the receipt that the line's own
-- file names; else the one of that amount whose reference is the advice's trace; else the one of
-- that payer and amount within days. The last two only where both sides are unique, and all only
-- where amounts paid less adjustments are the receipt, to the cent.
with lines as (
    select * from {{ ref('stg_bank_files__remittance_lines') }}
),

receipts as (
    select
        receipt_id,
        amount,
        currency_code,
        value_date,
        payer_account_key,
        upper(regexp_replace(payer_name, '[^0-9A-Za-z]', '', 'g')) as payer_name_key,
        nullif(
            ltrim(upper(regexp_replace(end_to_end_id, '[^0-9A-Za-z]', '', 'g')), '0'), ''
        ) as end_to_end_key,
        nullif(
            ltrim(upper(regexp_replace(bank_reference, '[^0-9A-Za-z]', '', 'g')), '0'), ''
        ) as bank_reference_key,
        upper(regexp_replace(remittance_text, '[^0-9A-Za-z]', '', 'g')) as text_key
    from {{ ref('int_receipts_mapped') }}
    where amount > 0 and not is_reversal
),

advices as (
    select
        remittance_id,
        any_value(receipt_id) as receipt_id,
        any_value(payment_amount) as payment_amount,
        any_value(currency_code) as currency_code,
        any_value(payment_date) as payment_date,
        nullif(
            ltrim(upper(regexp_replace(any_value(trace_reference), '[^0-9A-Za-z]', '', 'g')), '0'),
            ''
        ) as trace_key,
        md5({{ normalised_account('any_value(payer_account)') }}) as payer_account_key,
        upper(regexp_replace(any_value(payer_name), '[^0-9A-Za-z]', '', 'g')) as payer_name_key,
        sum(amount_paid - adjustment_amount) as lines_amount
    from lines
    group by remittance_id
),

-- Several advices may explain one receipt that a bank booked as a whole.
by_file as (
    select
        advices.remittance_id,
        receipts.receipt_id
    from advices
    inner join receipts
        on
            advices.receipt_id = receipts.receipt_id
            and advices.currency_code = receipts.currency_code
    qualify sum(advices.lines_amount) over (partition by receipts.receipt_id) = receipts.amount
),

loose as (
    select *
    from advices
    where receipt_id is null and lines_amount = payment_amount
),

by_trace as (
    select
        loose.remittance_id,
        receipts.receipt_id
    from loose
    inner join receipts
        on
            loose.payment_amount = receipts.amount
            and loose.currency_code = receipts.currency_code
            and (
                loose.trace_key in (receipts.end_to_end_key, receipts.bank_reference_key)
                or (length(loose.trace_key) >= 6 and contains(receipts.text_key, loose.trace_key))
            )
            and (
                loose.payment_date is null
                or abs(date_diff('day', loose.payment_date, receipts.value_date)) <= 30
            )
    where receipts.receipt_id not in (select by_file.receipt_id from by_file)
    qualify
        count(*) over (partition by loose.remittance_id) = 1
        and count(*) over (partition by receipts.receipt_id) = 1
),

by_payer as (
    select
        loose.remittance_id,
        receipts.receipt_id
    from loose
    inner join receipts
        on
            loose.payment_amount = receipts.amount
            and loose.currency_code = receipts.currency_code
            and date_diff('day', loose.payment_date, receipts.value_date) between -3 and 10
            and (
                loose.payer_account_key = receipts.payer_account_key
                or (
                    loose.payer_name_key = receipts.payer_name_key
                    and (loose.payer_account_key is null or receipts.payer_account_key is null)
                )
            )
    where
        receipts.receipt_id not in (select by_file.receipt_id from by_file)
        and receipts.receipt_id not in (select by_trace.receipt_id from by_trace)
        and loose.remittance_id not in (select by_trace.remittance_id from by_trace)
    qualify
        count(*) over (partition by loose.remittance_id) = 1
        and count(*) over (partition by receipts.receipt_id) = 1
),

matched as (
    select * from by_file
    union all
    select * from by_trace
    union all
    select * from by_payer
),

final as (
    select
        matched.receipt_id,
        cast(
            row_number() over (
                partition by matched.receipt_id order by lines.remittance_id, lines.line_position
            ) as integer
        ) as position,
        lines.reference,
        lines.reference_kind,
        lines.amount_paid,
        lines.discount_amount,
        lines.adjustment_amount,
        lines.adjustment_code,
        lines.adjustment_text,
        lines.currency_code
    from matched
    inner join lines on matched.remittance_id = lines.remittance_id
)

select * from final
