-- Limits and holds that were decided, per customer.
select * exclude (kind, customer, credit_segment)
from {{ ref('int_credit_states_wanted') }}
where kind = 'workday'
