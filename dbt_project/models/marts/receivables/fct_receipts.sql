with receipts as (
    select * from {{ ref('int_receipts_mapped') }}
),

bookings as (
    select * from {{ ref('int_receipts_booked') }}
),

reviewed as (
    select
        receipts.*,
        bookings.* exclude (receipt_id),
        case
            when receipts.company_code is null then 'unknown_bank_account'
            when receipts.is_reversal then 'bank_reversal'
            when receipts.is_interim_unconfirmed then 'interim_unconfirmed'
            when bookings.is_booking_reversed then 'booking_reversed'
            when bookings.is_maybe_booked then 'possible_double_booking'
        end as needs_review_reason
    from receipts
    left join bookings on receipts.receipt_id = bookings.receipt_id
),

final as (
    select
        receipt_id,
        system_id,
        company_code,
        bank_account_masked,
        gl_account,
        bank_line,
        amount,
        currency_code,
        booking_date,
        value_date,
        remittance_text,
        references_text,
        end_to_end_id,
        bank_reference,
        payer_name,
        payer_account_key,
        payer_account_masked,
        payer_customer_id,
        virtual_account_key,
        original_reference,
        return_reason,
        'rcpt-' || receipt_id as correlation_id,
        coalesce(booked_by, 'none') as booked_by,
        cast(coalesce(booking_count, 0) as integer) as booking_count,
        booked_item_key,
        booked_fiscal_year,
        booked_document,
        booked_document_item,
        booked_customer_id,
        coalesce(is_unidentified, false) as is_unidentified,
        cast(
            case
                when is_reversal or is_applied then 0
                else coalesce(booked_amount - booked_amount_applied, amount)
            end as decimal(28, 6)
        ) as amount_unapplied,
        needs_review_reason,
        as_of_date
    from reviewed
)

select * from final
