-- Bank accounts of customers as the ERP's master data knows them on the as-of date. An account that
-- several customers share identifies none of them.
with bank_accounts as (
    select * from {{ ref('int_erp_bank_accounts_united') }}
),

systems as (
    select * from {{ source('config', 'systems') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

valid as (
    select
        md5(bank_accounts.account) as payer_account_key,
        systems.key_prefix || '-' || bank_accounts.customer as customer_id,
        'erp_master' as source,
        min(bank_accounts.valid_from) as valid_from,
        max(bank_accounts.valid_to) as valid_to
    from bank_accounts
    inner join systems on bank_accounts.system_id = systems.system_id
    cross join run
    where
        bank_accounts.account is not null
        and coalesce(bank_accounts.valid_from, run.as_of_date) <= run.as_of_date
        and coalesce(bank_accounts.valid_to, run.as_of_date) >= run.as_of_date
    group by all
),

matched as (
    select
        *,
        count(*) over (partition by payer_account_key) as customer_count
    from valid
)

select * from matched
