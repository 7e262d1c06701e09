-- Credit limits in the shape of every ERP. Workday has one per customer, for all companies: it
-- belongs to the one credit segment of the system's companies. No amount is no limit; an amount of
-- zero grants nothing. A hold is a value of the customer's status.
with customers as (
    select * from {{ source('workday_raw', 'customers') }}
),

segments as (
    select
        system_id,
        min(credit_segment) as credit_segment,
        arg_min(currency_code, company_code) as currency_code
    from {{ source('config', 'companies') }}
    group by system_id
)

select
    customers.system_id,
    customers.Customer_ID as customer,
    segments.credit_segment,
    coalesce(
        customers.Credit_Limit_Currency_Reference, customers.Currency_Reference,
        segments.currency_code
    ) as segment_currency,
    case
        when customers.Credit_Limit is null then 'unlimited'
        when customers.Credit_Limit > 0 then 'limited'
        else 'none_granted'
    end as limit_kind,
    case
        when customers.Credit_Limit is null then 'no_limit_set'
        when customers.Credit_Limit > 0 then 'limit_set'
        else 'zero_limit_set'
    end as limit_reason,
    customers.Credit_Limit as limit_amount,
    cast(null as date) as limit_valid_until,
    coalesce(
        customers.Customer_Status_Value_Reference = '{{ var("workday_hold_status", "HOLD") }}',
        false
    ) as is_blocked,
    if(
        customers.Customer_Status_Value_Reference = '{{ var("workday_hold_status", "HOLD") }}',
        customers.Reason_for_Customer_Status_Change_Reference, null
    ) as block_reason,
    cast(null as varchar) as risk_class,
    customers._loaded_at as loaded_at
from customers
inner join segments on customers.system_id = segments.system_id
