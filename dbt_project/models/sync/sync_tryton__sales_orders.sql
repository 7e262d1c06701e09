-- Orders decided to be released, that is, confirmed.
select * exclude (kind)
from {{ ref('int_order_releases_wanted') }}
where kind = 'tryton'
