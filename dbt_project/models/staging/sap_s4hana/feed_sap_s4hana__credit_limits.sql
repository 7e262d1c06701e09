-- Credit accounts with what their limit means, in the shape of every ERP. An amount of zero says
-- two opposite things in SAP: nothing granted, or not checked at all; the flag decides.
with accounts as (
    select * from {{ ref('stg_sap_s4hana__credit_accounts') }}
),

risk as (
    select * from {{ ref('stg_sap_s4hana__credit_partners') }}
)

select
    accounts.system_id,
    accounts.business_partner as customer,
    accounts.credit_segment,
    accounts.credit_segment_currency as segment_currency,
    case
        when coalesce(accounts.credit_limit_amount, 0) <> 0 then 'limited'
        when accounts.is_credit_limit_zero then 'none_granted'
        else 'unlimited'
    end as limit_kind,
    case
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
from accounts
left join risk
    on
        accounts.system_id = risk.system_id
        and accounts.business_partner = risk.business_partner
