-- Credit limits in the shape of every ERP. No limit at all is what unlimited means here; a limit of
-- zero grants nothing. A hold is what a person (or the hub) switched on, not what a limit causes.
with customers as (
    select * from {{ source('netsuite_raw', 'customers') }}
),

segments as (
    select
        entities.system_id,
        entities.entity,
        min(companies.credit_segment) as credit_segment
    from {{ source('netsuite_raw', 'customer_subsidiaries') }} as entities
    inner join {{ source('config', 'companies') }} as companies
        on
            entities.system_id = companies.system_id
            and entities.subsidiary = companies.company_code
    group by entities.system_id, entities.entity
)

select
    customers.system_id,
    upper(customers.entityid) as customer,
    segments.credit_segment,
    customers.currencysymbol as segment_currency,
    case
        when customers.creditlimit is null then 'unlimited'
        when customers.creditlimit = 0 then 'none_granted'
        else 'limited'
    end as limit_kind,
    case
        when customers.creditlimit is null then 'no_limit_set'
        when customers.creditlimit = 0 then 'zero_limit_set'
        else 'limit_set'
    end as limit_reason,
    customers.creditlimit as limit_amount,
    cast(null as date) as limit_valid_until,
    coalesce(customers.creditholdoverride = 'ON', false) as is_blocked,
    cast(null as varchar) as block_reason,
    cast(null as varchar) as risk_class,
    customers._loaded_at as loaded_at
from customers
inner join segments
    on customers.system_id = segments.system_id and customers.id = segments.entity
