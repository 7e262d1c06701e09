-- Every item's open amount is its original less what was applied, and only an open item has any.
-- Guards fct_open_items: buckets, exposure and CRM figures all start from amount_open.
select
    item_key,
    amount_original,
    amount_applied,
    amount_open
from {{ ref('fct_open_items') }}
where
    amount_open <> amount_original - amount_applied
    or (is_cleared and amount_open <> 0)
