with links as (
    select * from {{ ref('int_customer_links_matched') }}
    where conflict is null
)

select
    system_id,
    native_id,
    customer_id,
    relation,
    how,
    account_name
from links
