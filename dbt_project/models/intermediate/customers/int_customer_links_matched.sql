-- CRM accounts and hub customers by the ERP number stored on the account. A link is strong only
-- when exactly one live account carries the number and exactly one customer has it; everything else
-- is a conflict for a person. What a person linked or unlinked (ledger.links) comes before the
-- number, and a person's newest word before the older ones: one account, one customer of each ERP.
with accounts as (
    select
        system_id,
        id as native_id,
        name as account_name,
        erp_customer_number
    from {{ ref('stg_salesforce__accounts') }}
    where not is_deleted
),

every_customer as (
    select
        customer_id,
        system_id as erp_system_id,
        customer,
        is_deleted
    from {{ ref('int_customers_mapped') }}
),

customers as (
    select * from every_customer
    where not is_deleted
),

-- Each relation is a word of its own: taking back a parent unlinks no account.
said as (
    select
        links.system_id,
        links.native_id,
        links.customer_id,
        links.relation,
        links.how,
        links.linked_at,
        links.unlinked_at is null as is_active,
        every_customer.customer_id is not null as is_known,
        every_customer.erp_system_id
    from {{ source('ledger', 'links') }} as links
    left join every_customer on links.customer_id = every_customer.customer_id
    qualify
        row_number() over (
            partition by links.system_id, links.native_id, links.customer_id, links.relation
            order by links.linked_at desc
        ) = 1
),

-- A later link moves the account; it need not be unlinked first.
accepted as (
    select * from said
    where is_active
    qualify
        relation <> 'account'
        or row_number() over (
            partition by system_id, native_id, relation, erp_system_id
            order by linked_at desc, customer_id asc
        ) = 1
),

counted as (
    select
        accounts.system_id,
        accounts.native_id,
        accounts.account_name,
        accounts.erp_customer_number,
        customers.customer_id,
        customers.erp_system_id,
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
                accepted.relation = 'account'
                and accepted.system_id = counted.system_id
                and accepted.native_id = counted.native_id
                and (
                    counted.customer_id is null
                    or accepted.erp_system_id is not distinct from counted.erp_system_id
                )
        ) as is_decided,
        exists(
            select 1
            from accepted
            where
                accepted.relation = 'account'
                and accepted.system_id = counted.system_id
                and accepted.native_id <> counted.native_id
                and accepted.customer_id = counted.customer_id
        ) as is_taken,
        exists(
            select 1
            from said
            where
                said.relation = 'account'
                and not said.is_active
                and said.system_id = counted.system_id
                and said.native_id = counted.native_id
                and said.customer_id = counted.customer_id
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
            when is_taken then 'linked_elsewhere_by_person'
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
        cast(accepted.is_known as bigint) as customer_count,
        accepted.relation,
        accepted.how,
        case
            when not accepted.is_known then 'no_customer'
            when
                count(*) over (
                    partition by accepted.system_id, accepted.customer_id, accepted.relation
                ) > 1
                then 'several_accounts'
        end as conflict
    from accepted
    inner join accounts
        on accepted.system_id = accounts.system_id and accepted.native_id = accounts.native_id
)

select * from by_number
union all by name
select * from by_person
