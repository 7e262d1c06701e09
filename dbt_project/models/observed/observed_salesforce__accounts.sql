-- What the CRM's accounts show, in the hub's words.
with accounts as (
    select * from {{ ref('stg_salesforce__accounts') }}
    where not is_deleted
)

select
    system_id,
    id as object_key,
    {{ money_text('open_balance') }} as open_balance,
    {{ money_text('overdue_amount') }} as overdue_amount,
    {{ money_text('credit_limit') }} as credit_limit,
    lower(replace(credit_limit_kind, ' ', '_')) as credit_limit_kind,
    {{ bool_text('is_credit_hold') }} as credit_hold,
    status,
    {{ date_text('as_of_date') }} as as_of_date,
    id as native_id
from accounts
