-- Limits and holds that were decided, per credit account.
select * exclude (kind, customer, credit_segment)
from {{ ref('int_credit_states_wanted') }}
where kind = 'sap_s4hana'
