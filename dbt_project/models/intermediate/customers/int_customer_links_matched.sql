-- CRM accounts and hub customers by the ERP number stored on the account. A link is strong only
-- when exactly one live account carries the number and exactly one customer has it; everything else
-- is a conflict for a person. What a person linked or unlinked (ledger.links) comes before the
-- number.
with accounts as (
    select
        system_id,
        id as native_id,
        name as account_name,
        erp_customer_number
    from {{ ref('stg_salesforce__accounts') }}
    where not is_deleted
),

customers as (
    select
        customer_id,
        customer
    from {{ ref('int_customers_mapped') }}
    where not is_deleted
),

accepted as (
    select
        system_id,
        native_id,
        customer_id,
        relation,
        how,
        unlinked_at is null as is_active
    from {{ source('ledger', 'links') }}
    qualify
        row_number() over (
            partition by system_id, native_id, customer_id
            order by linked_at desc
        ) = 1
),

counted as (
    select
        accounts.system_id,
        accounts.native_id,
        accounts.account_name,
        accounts.erp_customer_number,
        customers.customer_id,
        count(distinct accounts.native_id) over (
            partition by accounts.system_id, accounts.erp_customer_number
        ) as account_count,
        count(customers.customer_id) over (
            partition by accounts.system_id, accounts.native_id
        ) as customer_count
    from accounts
    left join customers on accounts.erp_customer_number = customers.customer
    where accounts.erp_customer_number is not null
),

-- What people decided about an account or a customer stands; the number adds nothing to it.
judged as (
    select
        counted.*,
        exists(
            select 1
            from accepted
            where
                accepted.is_active
                and accepted.system_id = counted.system_id
                and (
                    accepted.native_id = counted.native_id
                    or accepted.customer_id = counted.customer_id
                )
        ) as is_decided,
        exists(
            select 1
            from accepted
            where
                not accepted.is_active
                and accepted.system_id = counted.system_id
                and accepted.native_id = counted.native_id
                and accepted.customer_id = counted.customer_id
        ) as is_unlinked
    from counted
),

by_number as (
    select
        system_id,
        native_id,
        account_name,
        erp_customer_number,
        customer_id,
        account_count,
        customer_count,
        'account' as relation,
        'erp_number' as how,
        case
            when is_unlinked then 'unlinked_by_person'
            when customer_count = 0 then 'no_customer'
            when customer_count > 1 then 'several_customers'
            when account_count > 1 then 'several_accounts'
        end as conflict
    from judged
    where not is_decided
),

by_person as (
    select
        accepted.system_id,
        accepted.native_id,
        accounts.account_name,
        accounts.erp_customer_number,
        accepted.customer_id,
        count(*) over (
            partition by accepted.system_id, accepted.customer_id, accepted.relation
        ) as account_count,
        1 as customer_count,
        accepted.relation,
        accepted.how,
        if(
            count(*) over (
                partition by accepted.system_id, accepted.customer_id, accepted.relation
            ) > 1, 'several_accounts', null
        ) as conflict
    from accepted
    inner join accounts
        on accepted.system_id = accounts.system_id and accepted.native_id = accounts.native_id
    where accepted.is_active
)

select * from by_number
union all by name
select * from by_person
