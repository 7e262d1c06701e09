-- Payments that the bank took back; how a return finds its receipt is said where every ERP's are
-- made.
select * exclude (kind)
from {{ ref('int_returned_payments_wanted') }}
where kind = 'netsuite'
