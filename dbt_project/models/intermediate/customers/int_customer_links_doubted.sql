-- Accounts and customers whose link is in doubt for another reason than a person's removal. What
-- the CRM shows of them is neither renewed nor taken back until somebody decides.
with links as (
    select * from {{ ref('int_customer_links_matched') }}
    where relation = 'account'
)

select distinct
    system_id,
    native_id,
    customer_id,
    conflict
from links
where conflict is not null and conflict <> 'unlinked_by_person'
