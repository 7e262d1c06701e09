-- (Step 1/3) Every customer in every credit segment it trades in, with what its limit means. An
-- amount of zero says two opposite things in SAP: nothing granted, or not checked at all; the flag
-- decides.
with companies as (
    select * from {{ ref('int_companies_dated') }}
),

accounts as (
    select * from {{ ref('stg_sap_s4hana__credit_accounts') }}
),

risk as (
    select * from {{ ref('stg_sap_s4hana__credit_partners') }}
),

segments as (
    select
        companies.system_id,
        companies.key_prefix,
        companies.credit_segment,
        coalesce(
            min(accounts.credit_segment_currency), min(companies.group_currency)
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
        customer_companies.system_id,
        customer_companies.customer,
        companies.credit_segment
    from {{ ref('stg_sap_s4hana__customer_companies') }} as customer_companies
    inner join companies
        on
            customer_companies.system_id = companies.system_id
            and customer_companies.company_code = companies.company_code
    union distinct
    select
        accounts.system_id,
        accounts.business_partner,
        accounts.credit_segment
    from accounts
    union distinct
    select
        orders.system_id,
        orders.sold_to_party,
        companies.credit_segment
    from {{ ref('stg_sap_s4hana__sales_orders') }} as orders
    inner join companies
        on
            orders.system_id = companies.system_id
            and orders.sales_organization = companies.company_code
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
        coalesce(accounts.credit_segment_currency, segments.segment_currency) as segment_currency,
        case
            when accounts.business_partner is null then 'unlimited'
            when coalesce(accounts.credit_limit_amount, 0) <> 0 then 'limited'
            when accounts.is_credit_limit_zero then 'none_granted'
            else 'unlimited'
        end as limit_kind,
        case
            when accounts.business_partner is null then 'no_credit_account'
            when coalesce(accounts.credit_limit_amount, 0) <> 0 then 'limit_set'
            when accounts.is_credit_limit_zero then 'zero_limit_set'
            else 'no_limit_set'
        end as limit_reason,
        case
            when coalesce(accounts.credit_limit_amount, 0) <> 0 then accounts.credit_limit_amount
            when accounts.is_credit_limit_zero then 0
        end as limit_amount,
        accounts.credit_limit_validity_end_date as limit_valid_until,
        coalesce(accounts.is_blocked, false) as is_blocked,
        accounts.block_reason,
        risk.credit_risk_class as risk_class,
        accounts.loaded_at
    from traded
    inner join segments
        on
            traded.system_id = segments.system_id
            and traded.credit_segment = segments.credit_segment
    left join accounts
        on
            traded.system_id = accounts.system_id
            and traded.customer = accounts.business_partner
            and traded.credit_segment = accounts.credit_segment
    left join risk
        on traded.system_id = risk.system_id and traded.customer = risk.business_partner
)

select * from kinded
