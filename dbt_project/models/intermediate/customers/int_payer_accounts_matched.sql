-- Whose account money comes from on the as-of date: what a person said, else the ERP's master data
-- and what verified applications taught. An account of several customers of one ERP identifies none
-- of them; the same payer may well be a customer of another ERP too.
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
        {{ earliest('bank_accounts.valid_from') }} as valid_from,
        {{ latest('bank_accounts.valid_to') }} as valid_to
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
-- single one may be a favour; several teach whose account it is. One of another customer from the
-- same account teaches that several share it.
applied as (
    select
        md5({{ normalised_account('entries.payer_account') }}) as payer_account_key,
        customers.customer_id,
        customers.system_id,
        count(distinct entries.receipt_id) as receipt_count,
        list_sort(list(commands.updated_at))[{{ var('payer_account_learned_from_receipts') }}]
            as learned_at
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

taught as (
    select
        *,
        min(learned_at) over of_account as known_at
    from applied
    window of_account as (partition by payer_account_key, system_id)
    qualify
        max(receipt_count) over of_account >= {{ var('payer_account_learned_from_receipts') }}
),

arrived as (
    select
        loaded_at,
        max(max(value_date)) over (order by loaded_at) as value_date
    from {{ ref('stg_bank_files__entries') }}
    group by loaded_at
),

-- What was learned holds for money of a later day than all that had come by then: what was decided
-- without it stays decided, and a second run on the same statements finds nothing new.
learned as (
    select
        taught.payer_account_key,
        taught.customer_id,
        'learned' as source,
        arrived.value_date + 1 as valid_from,
        cast(null as date) as valid_to
    from taught
    asof inner join arrived on taught.known_at >= arrived.loaded_at
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
        {{ earliest('valid_from') }} as valid_from,
        {{ latest('valid_to') }} as valid_to
    from known
    group by payer_account_key, customer_id
),

matched as (
    select
        valid.*,
        customers.system_id as erp_system_id,
        count(*) over (partition by valid.payer_account_key, customers.system_id)
            as customer_count
    from valid
    left join customers on valid.customer_id = customers.customer_id
)

select * from matched
