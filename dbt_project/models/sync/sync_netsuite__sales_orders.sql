-- Orders decided to be released, that is, approved.
select * exclude (kind)
from {{ ref('int_order_releases_wanted') }}
where kind = 'netsuite'
