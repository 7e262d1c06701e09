with accounts as (
    select * from {{ ref('int_payer_accounts_matched') }}
    where customer_count = 1
)

select
    payer_account_key,
    customer_id,
    source,
    valid_from,
    valid_to
from accounts
