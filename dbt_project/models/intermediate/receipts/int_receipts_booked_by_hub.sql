-- (Step 3/4) The hub's own bookings, found by the key that travelled with them: the external key of
-- its command, or the receipt's id in the assignment. Every match is here; the first
-- live one counts.
with receipts as (
    select * from {{ ref('int_receipts_mapped') }}
    where company_code is not null
),

items as (
    select * from {{ ref('int_erp_receipts_keyed') }}
),

commands as (
    select
        system_id,
        {{ receipt_of_key('business_key') }} as receipt_id,
        external_key
    from {{ source('ledger', 'commands') }}
    where flow = 'cash_posting' and coalesce(external_key, '') <> ''
),

by_external_key as (
    select
        commands.receipt_id,
        items.item_key
    from items
    inner join commands
        on items.system_id = commands.system_id and items.external_key = commands.external_key
),

by_assignment as (
    select
        receipts.receipt_id,
        items.item_key
    from items
    inner join receipts
        on
            items.system_id = receipts.system_id
            and items.assignment_reference = left(receipts.receipt_id, 18)
),

made_by_hub as (
    select * from by_external_key
    union distinct
    select * from by_assignment
),

moved as (
    select distinct {{ receipt_of_key('business_key') }} as receipt_id
    from {{ source('ledger', 'commands') }}
    where
        flow = 'cash_posting'
        and state = 'verified'
        and ends_with(business_key, '{{ moved_suffix() }}')
),

booked_by_hub as (
    select
        made_by_hub.receipt_id,
        items.*,
        -- A posting that was moved from the unidentified account to a customer stands once.
        count(*) filter (
            where
            not items.is_reversed
            and not (
                items.is_unidentified
                and (
                    items.is_cleared_now
                    or made_by_hub.receipt_id in (select moved.receipt_id from moved)
                )
            )
        ) over (partition by made_by_hub.receipt_id) as booking_count,
        row_number() over (
            partition by made_by_hub.receipt_id
            order by items.is_reversed, items.is_unidentified, items.posting_date, items.item_key
        ) as preference
    from made_by_hub
    inner join items on made_by_hub.item_key = items.item_key
)

select * from booked_by_hub
