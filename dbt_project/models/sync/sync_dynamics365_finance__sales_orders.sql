-- Orders decided to be released from their credit hold.
select * exclude (kind)
from {{ ref('int_order_releases_wanted') }}
where kind = 'dynamics365_finance'
