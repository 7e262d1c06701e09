-- One row per linked account, company and currency. A balance that the CRM still shows and the
-- truth no longer has wants zeros, and so does one that the hub wrote for a customer who is linked
-- no longer: nothing is ever deleted in a target.
with aging as (
    select * from {{ ref('fct_aging') }}
),

links as (
    select * from {{ ref('dim_customer_links') }}
    where relation = 'account'
),

entities as (
    select * from {{ ref('dim_legal_entities') }}
),

observed as (
    select * from {{ ref('stg_salesforce__ar_balances') }}
    where not is_deleted and balance_key is not null
),

keyed as (
    select
        entities.key_prefix || '-' || aging.company_code || '-' || aging.customer || '-'
        || aging.currency_code as balance_key,
        aging.*
    from aging
    inner join entities
        on aging.system_id = entities.system_id and aging.company_code = entities.company_code
),

wanted as (
    select
        links.system_id,
        keyed.balance_key,
        links.native_id as account_id,
        links.account_name,
        keyed.customer_id,
        keyed.company_code,
        keyed.currency_code,
        keyed.amount_current,
        keyed.amount_1_30,
        keyed.amount_31_60,
        keyed.amount_61_90,
        keyed.amount_91_120,
        keyed.amount_over_120,
        keyed.amount_credits,
        keyed.amount_unapplied,
        keyed.amount_net,
        keyed.as_of_date
    from keyed
    inner join links on keyed.customer_id = links.customer_id
),

vanished as (
    select
        observed.system_id,
        observed.balance_key,
        observed.account_id,
        links.account_name,
        links.customer_id,
        observed.company_code,
        observed.currency_code,
        {% for column in [
            'amount_current', 'amount_1_30', 'amount_31_60', 'amount_61_90', 'amount_91_120',
            'amount_over_120', 'amount_credits', 'amount_unapplied', 'amount_net'
        ] %}
            cast(0 as decimal(28, 6)) as {{ column }},
        {% endfor %}
        entities.as_of_date
    from observed
    inner join entities
        on
            observed.company_code = entities.company_code
            and starts_with(
                observed.balance_key, entities.key_prefix || '-' || entities.company_code || '-'
            )
    left join links
        on
            observed.system_id = links.system_id
            and observed.account_id = links.native_id
            and observed.balance_key = entities.key_prefix || '-' || entities.company_code || '-'
            || substr(links.customer_id, length(entities.key_prefix) + 2) || '-'
            || observed.currency_code
    left join keyed on observed.balance_key = keyed.balance_key
    where
        not exists (
            select 1
            from wanted
            where
                wanted.system_id = observed.system_id
                and wanted.balance_key = observed.balance_key
        )
        and (
            keyed.balance_key is null
            or (
                exists (
                    select 1
                    from {{ source('ledger', 'acknowledged') }} as written
                    where
                        written.object_name = 'balances'
                        and written.system_id = observed.system_id
                        and written.object_key = observed.balance_key
                )
                and not exists (
                    select 1
                    from {{ ref('int_customer_links_doubted') }} as doubted
                    where
                        doubted.system_id = observed.system_id
                        and doubted.customer_id = keyed.customer_id
                )
            )
        )
    qualify row_number() over (
        partition by observed.system_id, observed.balance_key order by observed.id
    ) = 1
),

desired as (
    select * from wanted
    union all by name
    select * from vanished
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
    'balance-' || balance_key as ctx_correlation_id,
    system_id || '/' || account_id as ctx_lane,
    customer_id as ctx_customer_id,
    account_name as ctx_customer_name,
    company_code as ctx_company_code,
    balance_key as ctx_document,
    amount_net as ctx_amount,
    currency_code as ctx_currency_code,
    cast(null as varchar) as ctx_after_key
from desired
