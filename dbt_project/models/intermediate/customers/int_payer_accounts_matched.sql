-- Whose account money comes from on the as-of date: what a person said, else the ERP's master data
-- and what verified applications taught. An account of several customers identifies none of them.
with bank_accounts as (
    select * from {{ ref('int_erp_bank_accounts_united') }}
),

systems as (
    select * from {{ source('config', 'systems') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

customers as (
    select * from {{ ref('int_customers_mapped') }}
),

said as (
    select
        links.native_id as payer_account_key,
        links.customer_id,
        'person' as source,
        cast(null as date) as valid_from,
        cast(null as date) as valid_to
    from {{ source('ledger', 'links') }} as links
    where links.relation = 'payer_account' and links.unlinked_at is null
),

of_master_data as (
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

-- Receipts that the hub applied, read back as applied: by then the customer is beyond doubt. A
-- single one may be a favour; several teach whose account it is.
applied as (
    select
        md5({{ normalised_account('entries.payer_account') }}) as payer_account_key,
        customers.customer_id,
        count(distinct entries.receipt_id) as receipt_count,
        min(entries.value_date) as valid_from
    from {{ source('ledger', 'commands') }} as commands
    inner join {{ ref('stg_bank_files__entries') }} as entries
        on commands.business_key = entries.receipt_id
    inner join customers
        on
            commands.system_id = customers.system_id
            and commands.payload ->> '$.customer' = customers.customer
    where
        commands.flow = 'cash_clearing'
        and commands.state = 'verified'
        and {{ normalised_account('entries.payer_account') }} is not null
    group by all
),

learned as (
    select
        payer_account_key,
        customer_id,
        'learned' as source,
        valid_from,
        cast(null as date) as valid_to
    from applied
    where receipt_count >= {{ var('payer_account_learned_from_receipts') }}
),

-- Where a person spoke about an account, nothing else counts.
known as (
    select * from said
    union all by name
    select * from of_master_data
    where payer_account_key not in (select said.payer_account_key from said)
    union all by name
    select * from learned
    where payer_account_key not in (select said.payer_account_key from said)
),

valid as (
    select
        payer_account_key,
        customer_id,
        arg_min(source, case source when 'person' then 1 when 'erp_master' then 2 else 3 end)
            as source,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to
    from known
    group by payer_account_key, customer_id
),

matched as (
    select
        *,
        count(*) over (partition by payer_account_key) as customer_count
    from valid
)

select * from matched
