-- Bank accounts of customers as the ERP's master data knows them on the as-of date. An account that
-- several customers share identifies none of them.
with bank_accounts as (
    select
        system_id,
        business_partner,
        coalesce(
            {{ normalised_account('iban') }}, {{ normalised_account('bank_account') }}
        ) as account,
        validity_start_date as valid_from,
        validity_end_date as valid_to
    from {{ ref('stg_sap_s4hana__bank_accounts') }}
),

partners as (
    select * from {{ ref('stg_sap_s4hana__business_partners') }}
    where customer is not null
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
        systems.key_prefix || '-' || partners.customer as customer_id,
        'erp_master' as source,
        min(bank_accounts.valid_from) as valid_from,
        max(bank_accounts.valid_to) as valid_to
    from bank_accounts
    inner join partners
        on
            bank_accounts.system_id = partners.system_id
            and bank_accounts.business_partner = partners.business_partner
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
