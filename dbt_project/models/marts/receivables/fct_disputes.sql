with lines as (
    select
        *,
        cast(opened_at at time zone 'UTC' as date) as opened_date,
        cast(due_at at time zone 'UTC' as date) as due_date,
        cast(closed_at at time zone 'UTC' as date) as closed_date
    from {{ ref('int_disputes_followed') }}
),

items as (
    select * from {{ ref('fct_open_items') }}
),

run as (
    select * from {{ source('config', 'run') }}
)

select
    lines.dispute_id,
    lines.item_key,
    lines.receipt_id,
    lines.current_item_key,
    lines.system_id,
    lines.company_code,
    lines.customer_id,
    lines.customer,
    items.invoice_number,
    lines.reason_code,
    lines.external_code,
    cast(lines.amount as decimal(28, 6)) as amount_claimed,
    cast(lines.amount_accepted as decimal(28, 6)) as amount_accepted,
    items.amount_open,
    lines.currency_code,
    lines.status,
    lines.version,
    lines.verdict,
    lines.decided_by,
    lines.assigned_to,
    lines.opened_at,
    lines.due_at,
    lines.decided_at,
    lines.closed_at,
    lines.is_living,
    lines.is_living and lines.due_date < run.as_of_date as is_overdue,
    if(
        lines.is_living,
        greatest(cast(run.as_of_date - lines.opened_date as integer), 0),
        null
    ) as age_days,
    cast(lines.closed_date - lines.opened_date as integer) as cycle_days,
    run.as_of_date
from lines
left join items on lines.current_item_key = items.item_key
cross join run
