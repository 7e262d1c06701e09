-- CRM accounts and hub customers by what is stored on the account: one ERP number, or several
-- numbers and hub customer ids separated by semicolons, of one ERP or of many. Each of them links
-- only when it names exactly one customer in all ERPs and no other live account names that one;
-- everything else is a conflict for a person. What a person linked or unlinked (ledger.links) comes
-- before the number, and a person's newest word before the older ones: one account, one customer of
-- each ERP.
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

-- A number means the same with and without the ERP's prefix.
known as (
    select
        upper(customer) as reference,
        customer_id,
        erp_system_id
    from every_customer
    where not is_deleted
    union all
    select
        upper(customer_id) as reference,
        customer_id,
        erp_system_id
    from every_customer
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

named as (
    select
        system_id,
        native_id,
        account_name,
        unnest({{ named_customers('erp_customer_number') }}) as reference
    from accounts
),

-- Spreadsheets and CRMs lose the zeros that SAP's numbers open with; a number of another ERP is
-- taken as it stands.
spelled as (
    select
        *,
        reference as spelling
    from named
    union all
    select
        *,
        regexp_extract(reference, '^(.*-)?([0-9]{1,9})$', 1)
        || lpad(regexp_extract(reference, '^(.*-)?([0-9]{1,9})$', 2), 10, '0') as spelling
    from named
    where regexp_full_match(reference, '(.*-)?[0-9]{1,9}')
),

found as (
    select distinct
        spelled.system_id,
        spelled.native_id,
        spelled.account_name,
        spelled.reference,
        known.customer_id,
        known.erp_system_id
    from spelled
    inner join known on spelled.spelling = known.reference
),

counted as (
    select
        named.system_id,
        named.native_id,
        named.account_name,
        named.reference as erp_customer_number,
        found.customer_id,
        found.erp_system_id,
        count(found.customer_id) over of_reference as customer_count,
        list(found.customer_id) over of_reference as customer_ids
    from named
    left join found
        on
            named.system_id = found.system_id
            and named.native_id = found.native_id
            and named.reference = found.reference
    window
        of_reference as (partition by named.system_id, named.native_id, named.reference)
),

-- One customer that an account names twice, by number and by id, is one link.
claimed as (
    select
        *,
        count(distinct native_id) over (
            partition by
                system_id, customer_count > 1, coalesce(customer_id, erp_customer_number)
        ) as account_count
    from counted
    qualify
        customer_id is null
        or row_number() over (
            partition by system_id, native_id, customer_id
            order by customer_count, erp_customer_number
        ) = 1
),

-- What people decided about an account or a customer stands; the number adds nothing to it.
judged as (
    select
        claimed.*,
        exists(
            select 1
            from accepted
            where
                accepted.relation = 'account'
                and accepted.system_id = claimed.system_id
                and accepted.native_id = claimed.native_id
                and (
                    claimed.customer_id is null
                    or accepted.erp_system_id is not distinct from claimed.erp_system_id
                    or list_contains(claimed.customer_ids, accepted.customer_id)
                )
        ) as is_decided,
        exists(
            select 1
            from accepted
            where
                accepted.relation = 'account'
                and accepted.system_id = claimed.system_id
                and accepted.native_id <> claimed.native_id
                and accepted.customer_id = claimed.customer_id
        ) as is_taken,
        exists(
            select 1
            from said
            where
                said.relation = 'account'
                and not said.is_active
                and said.system_id = claimed.system_id
                and said.native_id = claimed.native_id
                and said.customer_id = claimed.customer_id
        ) as is_unlinked
    from claimed
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
