-- (Step 1/3) Every customer in every credit segment it trades in, with what its limit means: who
-- has no credit account is not checked.
with companies as (
    select * from {{ ref('int_companies_dated') }}
),

accounts as (
    select * from {{ ref('int_erp_credit_limits_united') }}
),

customers as (
    select
        system_id,
        customer,
        unnest(company_codes) as company_code
    from {{ ref('int_erp_customers_united') }}
),

segments as (
    select
        companies.system_id,
        companies.key_prefix,
        companies.credit_segment,
        coalesce(
            min(accounts.segment_currency), min(companies.group_currency)
        ) as segment_currency
    from companies
    left join accounts
        on
            companies.system_id = accounts.system_id
            and companies.credit_segment = accounts.credit_segment
    group by all
),

traded as (
    select
        customers.system_id,
        customers.customer,
        companies.credit_segment
    from customers
    inner join companies
        on
            customers.system_id = companies.system_id
            and customers.company_code = companies.company_code
    union distinct
    select
        accounts.system_id,
        accounts.customer,
        accounts.credit_segment
    from accounts
    union distinct
    select
        orders.system_id,
        orders.customer,
        companies.credit_segment
    from {{ ref('int_erp_sales_orders_united') }} as orders
    inner join companies
        on
            orders.system_id = companies.system_id
            and orders.company_code = companies.company_code
    union distinct
    select
        items.system_id,
        items.customer,
        companies.credit_segment
    from {{ ref('fct_open_items') }} as items
    inner join companies
        on items.system_id = companies.system_id and items.company_code = companies.company_code
),

kinded as (
    select
        traded.system_id,
        segments.key_prefix || '-' || traded.customer as customer_id,
        traded.customer,
        traded.credit_segment,
        coalesce(accounts.segment_currency, segments.segment_currency) as segment_currency,
        coalesce(accounts.limit_kind, 'unlimited') as limit_kind,
        coalesce(accounts.limit_reason, 'no_credit_account') as limit_reason,
        accounts.limit_amount,
        accounts.limit_valid_until,
        coalesce(accounts.is_blocked, false) as is_blocked,
        accounts.block_reason,
        accounts.risk_class,
        accounts.loaded_at
    from traded
    inner join segments
        on
            traded.system_id = segments.system_id
            and traded.credit_segment = segments.credit_segment
    left join accounts
        on
            traded.system_id = accounts.system_id
            and traded.customer = accounts.customer
            and traded.credit_segment = accounts.credit_segment
)

select * from kinded
