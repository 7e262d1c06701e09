-- Buckets plus credits plus unapplied cash are the net, and the net is the sum of open items, to
-- the cent, per company and currency. Guards fct_aging: nothing is lost between items and buckets.
with aging as (
    select
        system_id,
        company_code,
        currency_code,
        sum(
            amount_current + amount_1_30 + amount_31_60 + amount_61_90 + amount_91_120
            + amount_over_120 + amount_credits + amount_unapplied
        ) as amount_parts,
        sum(amount_net) as amount_net
    from {{ ref('fct_aging') }}
    group by all
),

items as (
    select
        system_id,
        company_code,
        currency_code,
        sum(amount_open) as amount_open
    from {{ ref('fct_open_items') }}
    group by all
)

select
    items.system_id,
    items.company_code,
    items.currency_code,
    aging.amount_parts,
    aging.amount_net,
    items.amount_open
from items
full outer join aging
    on
        items.system_id = aging.system_id
        and items.company_code = aging.company_code
        and items.currency_code = aging.currency_code
where
    coalesce(aging.amount_parts, 0) <> coalesce(items.amount_open, 0)
    or coalesce(aging.amount_net, 0) <> coalesce(items.amount_open, 0)
