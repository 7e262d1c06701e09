with links as (
    select * from {{ source('ledger', 'links') }}
    where relation = 'payer_name' and unlinked_at is null
)

select
    native_id as payer_name,
    customer_id,
    linked_at
from links
