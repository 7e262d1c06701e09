-- What a linked CRM account should show of all its customers in all ERPs together: balance and
-- overdue in the group currency at the stored rates, limit and hold as each ERP confirmed them, and
-- one status. One unlimited customer makes the account unlimited; else the limited ones are added
-- up; only where no customer has any is nothing granted. One hold holds the account. While one of
-- its customers is in doubt, or an amount has no rate, its totals stay as they are: a part would
-- look like the whole. An account that the hub wrote to and that stands for no customer any more
-- shows none of its figures.
with links as (
    select * from {{ ref('dim_customer_links') }}
    where relation = 'account'
),

rates as (
    select * from {{ ref('int_rates_crossed') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

balances as (
    select
        links.system_id,
        links.native_id,
        sum(aging.amount_net * rates.rate) as balance,
        sum(aging.amount_overdue * rates.rate) as overdue,
        count_if(aging.currency_code is not null and rates.rate is null) as missing_rates,
        max(aging.as_of_date) as as_of_date
    from links
    cross join run
    left join {{ ref('fct_aging') }} as aging on links.customer_id = aging.customer_id
    left join rates
        on
            aging.currency_code = rates.source_currency_code
            and run.group_currency = rates.target_currency_code
    group by all
),

-- Some ERPs keep a limit by company: that of the segment is its first company's.
segments as (
    select
        system_id,
        credit_segment,
        min(company_code) as company_code
    from {{ ref('dim_legal_entities') }}
    group by all
),

-- The ERP confirmed a hub write after the last read: that value is the ERP's, the read is older.
confirmed as (
    select
        system_id,
        object_key,
        max(value) filter (where field = 'limit_kind') as limit_kind,
        max(value) filter (where field = 'limit_amount') as limit_amount,
        max(acknowledged_at) filter (where field = 'limit_kind') as limit_at,
        max(value) filter (where field = 'is_blocked') as is_blocked,
        max(acknowledged_at) filter (where field = 'is_blocked') as blocked_at
    from {{ source('ledger', 'acknowledged') }}
    where field in ('limit_kind', 'limit_amount', 'is_blocked')
    group by all
),

credit as (
    select
        links.system_id,
        links.native_id,
        credit.segment_currency,
        if(
            coalesce(confirmed.limit_at > credit.credit_loaded_at, false),
            confirmed.limit_kind, credit.limit_kind
        ) as limit_kind,
        if(
            coalesce(confirmed.limit_at > credit.credit_loaded_at, false),
            cast(confirmed.limit_amount as decimal(28, 6)), credit.limit_amount
        ) as limit_amount,
        if(
            coalesce(confirmed.blocked_at > credit.credit_loaded_at, false),
            confirmed.is_blocked = 'true', credit.is_blocked
        ) as is_blocked
    from links
    inner join {{ ref('fct_credit') }} as credit on links.customer_id = credit.customer_id
    left join segments
        on
            credit.system_id = segments.system_id
            and credit.credit_segment = segments.credit_segment
    left join confirmed
        on
            credit.system_id = confirmed.system_id
            and confirmed.object_key in (
                credit.customer || '/' || credit.credit_segment,
                credit.customer || '/' || segments.company_code
            )
    -- Some ERPs keep one limit for all companies: where a customer has a credit account, a segment
    -- without one lifts no limit.
    qualify
        credit.limit_reason is distinct from 'no_credit_account'
        or count_if(credit.limit_reason is distinct from 'no_credit_account') over (
            partition by links.system_id, links.native_id, links.customer_id
        ) = 0
),

limits as (
    select
        credit.system_id,
        credit.native_id,
        case
            when bool_or(credit.limit_kind = 'unlimited') then 'unlimited'
            when bool_or(credit.limit_kind = 'limited') then 'limited'
            else 'none_granted'
        end as limit_kind,
        sum(if(credit.limit_kind = 'limited', credit.limit_amount * rates.rate, 0))
            as limit_amount,
        count_if(credit.limit_kind = 'limited' and rates.rate is null) as missing_rates,
        bool_or(credit.is_blocked) as is_blocked
    from credit
    cross join run
    left join rates
        on
            credit.segment_currency = rates.source_currency_code
            and run.group_currency = rates.target_currency_code
    group by all
),

-- An account with customers in several ERPs is one row; the first customer names it.
named as (
    select * from links
    qualify row_number() over (partition by system_id, native_id order by customer_id) = 1
),

shown as (
    select
        links.system_id,
        links.native_id,
        links.customer_id,
        links.account_name,
        run.group_currency,
        coalesce(balances.as_of_date, run.as_of_date) as as_of_date,
        {{ rounded_money('coalesce(balances.balance, 0)', 'run.group_currency') }} as open_balance,
        {{ rounded_money('coalesce(balances.overdue, 0)', 'run.group_currency') }}
            as overdue_amount,
        coalesce(limits.limit_kind, 'unlimited') as limit_kind,
        {{ rounded_money('limits.limit_amount', 'run.group_currency') }} as limit_amount,
        coalesce(limits.is_blocked, false) as is_blocked
    from named as links
    cross join run
    inner join balances
        on links.system_id = balances.system_id and links.native_id = balances.native_id
    left join limits
        on links.system_id = limits.system_id and links.native_id = limits.native_id
    where
        balances.missing_rates = 0
        and (
            coalesce(limits.missing_rates, 0) = 0
            or coalesce(limits.limit_kind, 'unlimited') <> 'limited'
        )
        and not exists (
            select 1
            from {{ ref('int_customer_links_doubted') }} as doubted
            where
                doubted.system_id = links.system_id
                and doubted.native_id = links.native_id
                and doubted.conflict <> 'linked_elsewhere_by_person'
        )
),

lost as (
    select
        accounts.system_id,
        accounts.id as native_id,
        cast(null as varchar) as customer_id,
        accounts.name as account_name,
        run.group_currency,
        run.as_of_date,
        cast(0 as decimal(28, 6)) as open_balance,
        cast(0 as decimal(28, 6)) as overdue_amount,
        'none_granted' as limit_kind,
        cast(null as decimal(28, 6)) as limit_amount,
        false as is_blocked
    from {{ ref('stg_salesforce__accounts') }} as accounts
    cross join run
    where
        not accounts.is_deleted
        and exists (
            select 1
            from {{ source('ledger', 'acknowledged') }} as written
            where
                written.object_name = 'accounts'
                and written.system_id = accounts.system_id
                and written.object_key = accounts.id
        )
        and not exists (
            select 1
            from links
            where links.system_id = accounts.system_id and links.native_id = accounts.id
        )
        and not exists (
            select 1
            from {{ ref('int_customer_links_doubted') }} as doubted
            where doubted.system_id = accounts.system_id and doubted.native_id = accounts.id
        )
),

wanted as (
    select * from shown
    union all by name
    select * from lost
)

select
    system_id,
    native_id as object_key,
    {{ money_text('open_balance') }} as open_balance,
    {{ money_text('overdue_amount') }} as overdue_amount,
    case limit_kind
        when 'limited' then {{ money_text('limit_amount') }}
        when 'none_granted' then '0'
    end as credit_limit,
    limit_kind as credit_limit_kind,
    {{ bool_text('is_blocked') }} as credit_hold,
    case
        when is_blocked then 'On Hold'
        when overdue_amount > 0 then 'Past Due'
        when open_balance <> 0 then 'Current'
        else 'No Balance'
    end as status,
    {{ date_text('as_of_date') }} as as_of_date,
    'account-' || native_id as ctx_correlation_id,
    system_id || '/' || native_id as ctx_lane,
    customer_id as ctx_customer_id,
    account_name as ctx_customer_name,
    cast(null as varchar) as ctx_company_code,
    native_id as ctx_document,
    open_balance as ctx_amount,
    group_currency as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from wanted
