-- Do the buckets, the sub-ledger and the general ledger agree? The G/L balance is today's and comes
-- from another service, so what was posted after the as-of date is added to the sub-ledger's side.
with entities as (
    select * from {{ ref('dim_legal_entities') }}
),

subledger as (
    select
        system_id,
        company_code,
        sum(amount_gross_company) as buckets_gross,
        sum(amount_credits_company) as credits,
        sum(amount_unapplied_company) as unapplied,
        sum(amount_net_company) as subledger
    from {{ ref('fct_aging') }}
    group by all
),

later as (
    select
        system_id,
        company_code,
        sum(amount_original_company) as amount
    from {{ ref('int_open_items_keyed') }}
    where posting_date > as_of_date
    group by all
),

general_ledger as (
    select
        balances.system_id,
        balances.company_code,
        balances.company_currency_code,
        sum(balances.amount) as amount
    from {{ ref('int_erp_gl_balances_united') }} as balances
    inner join {{ source('config', 'gl_accounts') }} as accounts
        on balances.system_id = accounts.system_id and balances.gl_account = accounts.gl_account
    where accounts.role = 'ar'
    group by all
),

compared as (
    select
        entities.system_id,
        entities.company_code,
        entities.currency_code as company_currency_code,
        cast(coalesce(subledger.buckets_gross, 0) as decimal(28, 6)) as buckets_gross,
        cast(coalesce(subledger.credits, 0) as decimal(28, 6)) as credits,
        cast(coalesce(subledger.unapplied, 0) as decimal(28, 6)) as unapplied,
        cast(coalesce(subledger.subledger, 0) as decimal(28, 6)) as subledger,
        cast(coalesce(later.amount, 0) as decimal(28, 6)) as posted_after_as_of,
        cast(coalesce(general_ledger.amount, 0) as decimal(28, 6)) as gl_balance,
        entities.as_of_date
    from entities
    left join subledger
        on
            entities.system_id = subledger.system_id
            and entities.company_code = subledger.company_code
    left join later
        on entities.system_id = later.system_id and entities.company_code = later.company_code
    left join general_ledger
        on
            entities.system_id = general_ledger.system_id
            and entities.company_code = general_ledger.company_code
            and entities.currency_code = general_ledger.company_currency_code
)

select
    system_id,
    company_code,
    company_currency_code,
    buckets_gross,
    credits,
    unapplied,
    subledger,
    posted_after_as_of,
    gl_balance,
    cast(subledger + posted_after_as_of - gl_balance as decimal(28, 6)) as difference,
    buckets_gross + credits + unapplied = subledger
    and subledger + posted_after_as_of = gl_balance as is_tied,
    as_of_date
from compared
