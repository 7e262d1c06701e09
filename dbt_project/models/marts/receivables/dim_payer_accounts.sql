with accounts as (
    select * from {{ ref('int_payer_accounts_matched') }}
)

select
    payer_account_key,
    customer_id,
    customer_count > 1 as is_shared,
    source,
    valid_from,
    valid_to
from accounts
