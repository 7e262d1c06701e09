-- Limits and holds that were decided. The product keeps them per customer and company: the
-- segment's (first) company is meant.
with segments as (
    select
        system_id,
        credit_segment,
        min(company_code) as company_code
    from {{ source('config', 'companies') }}
    group by all
)

select
    wanted.* exclude (kind, customer, credit_segment, block_reason, object_key, ctx_company_code),
    wanted.customer || '/' || segments.company_code as object_key,
    segments.company_code as ctx_company_code
from {{ ref('int_credit_states_wanted') }} as wanted
inner join segments
    on
        wanted.system_id = segments.system_id
        and wanted.credit_segment = segments.credit_segment
where wanted.kind = 'dynamics365_finance'
