-- Credit limits with what they mean, in the shape of every ERP. The product has one per customer
-- and company, in the company's currency. Zero means no limit, unless the limit is mandatory.
with customers as (
    select
        *,
        upper(trim(CustomerAccount)) as customer,
        upper(dataAreaId) as company_code
    from {{ source('dynamics365_finance_raw', 'customers') }}
),

companies as (
    select * from {{ source('config', 'companies') }}
)

select
    customers.system_id,
    customers.customer,
    companies.credit_segment,
    companies.currency_code as segment_currency,
    case
        when customers.CredManCustUnlimitedCredit = 'Yes' then 'unlimited'
        when customers.CreditLimit <> 0 then 'limited'
        when customers.CreditLimitIsMandatory = 'Yes' then 'none_granted'
        else 'unlimited'
    end as limit_kind,
    case
        when customers.CredManCustUnlimitedCredit = 'Yes' then 'unlimited_set'
        when customers.CreditLimit <> 0 then 'limit_set'
        when customers.CreditLimitIsMandatory = 'Yes' then 'zero_limit_set'
        else 'no_limit_set'
    end as limit_reason,
    case
        when customers.CredManCustUnlimitedCredit = 'Yes' then null
        when customers.CreditLimit <> 0 or customers.CreditLimitIsMandatory = 'Yes'
            then customers.CreditLimit
    end as limit_amount,
    {{ d365_date('customers.CredManCreditLimitExpiryDate') }} as limit_valid_until,
    customers.OnHoldStatus not in ('No', 'Never', 'Payment') as is_blocked,
    nullif(trim(customers.CredManStatusReasonId), '') as block_reason,
    nullif(trim(customers.CreditRating), '') as risk_class,
    customers._loaded_at as loaded_at
from customers
inner join companies
    on
        customers.system_id = companies.system_id
        and customers.company_code = companies.company_code
-- A segment that several companies share would say two limits: the first company's counts.
qualify
    row_number() over (
        partition by customers.system_id, customers.customer, companies.credit_segment
        order by customers.company_code
    ) = 1
