-- Customers' settlement accounts in the shape of every ERP; Workday keeps no validity for them.
with accounts as (
    select
        system_id,
        Customer_ID as customer,
        unnest(json_extract(Settlement_Account_Data, '$[*]')) as account
    from {{ source('workday_raw', 'customers') }}
    where Settlement_Account_Data is not null
),

named as (
    select
        system_id,
        customer,
        coalesce(
            {{ normalised_account("json_extract_string(account, '$.IBAN')") }},
            {{ normalised_account("json_extract_string(account, '$.Bank_Account_Number')") }}
        ) as account
    from accounts
)

select
    system_id,
    customer,
    account,
    cast(null as date) as valid_from,
    cast(null as date) as valid_to
from named
where account is not null
