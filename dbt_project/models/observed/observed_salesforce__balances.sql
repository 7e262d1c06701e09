-- What the CRM's balances show.
with balances as (
    select * from {{ ref('stg_salesforce__ar_balances') }}
    where not is_deleted and balance_key is not null
)

select
    system_id,
    balance_key as object_key,
    account_id,
    company_code,
    currency_code,
    {{ money_text('amount_current') }} as amount_current,
    {{ money_text('amount_1_30') }} as amount_1_30,
    {{ money_text('amount_31_60') }} as amount_31_60,
    {{ money_text('amount_61_90') }} as amount_61_90,
    {{ money_text('amount_91_120') }} as amount_91_120,
    {{ money_text('amount_over_120') }} as amount_over_120,
    {{ money_text('amount_credits') }} as credits,
    {{ money_text('amount_unapplied') }} as unapplied_cash,
    {{ money_text('amount_net') }} as net,
    {{ date_text('as_of_date') }} as as_of_date,
    id as native_id
from balances
