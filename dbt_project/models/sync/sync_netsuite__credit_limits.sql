-- Limits and holds that were decided, per customer. A hold has no reason in NetSuite.
select * exclude (kind, customer, credit_segment, block_reason)
from {{ ref('int_credit_states_wanted') }}
where kind = 'netsuite'
