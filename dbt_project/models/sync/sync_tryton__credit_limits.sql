-- Limits that were decided. Tryton has no hold: a decided one stays in the hub.
select * exclude (kind, customer, credit_segment, is_blocked, block_reason)
from {{ ref('int_credit_states_wanted') }}
where kind = 'tryton' and limit_kind is not null
