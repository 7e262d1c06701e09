-- Orders decided to be released by the credit check.
select * exclude (kind)
from {{ ref('int_order_releases_wanted') }}
where kind = 'sap_s4hana'
