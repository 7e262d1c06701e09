-- Bank accounts of parties in the shape of every ERP, one row for each owner of an account; Tryton
-- keeps no validity for them.
with numbers as (
    select
        system_id,
        {{ normalised_account('coalesce(number_compact, number)') }} as account,
        unnest(string_split(account__owners, ';')) as owner_id
    from {{ source('tryton_raw', 'bank_accounts') }}
    where active and account__active and account__owners <> ''
),

parties as (
    select * from {{ source('tryton_raw', 'parties') }}
    where code is not null
)

select distinct
    numbers.system_id,
    parties.code as customer,
    numbers.account,
    cast(null as date) as valid_from,
    cast(null as date) as valid_to
from numbers
inner join parties
    on numbers.system_id = parties.system_id and numbers.owner_id = cast(parties.id as varchar)
where numbers.account is not null
