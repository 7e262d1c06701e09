-- (Step 2/2) How much of an item is in dispute. What was denied stays in it: the customer still
-- does not pay. Only living disputes count.
with lines as (
    select * from {{ ref('int_disputes_followed') }}
    where is_living
)

select
    current_item_key as item_key,
    cast(sum(amount) as decimal(28, 6)) as amount_disputed
from lines
group by current_item_key
