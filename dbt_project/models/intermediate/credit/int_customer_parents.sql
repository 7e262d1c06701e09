-- Which customer stands above which, and the top of each group: the head that the ERP names, else
-- the CRM account that stands for several customers. Every customer has one group. A circle is no
-- hierarchy: who stands in one, or below one, is marked, and is a group alone.
with recursive customers as (
    select
        customer_id,
        system_id,
        parent_customer_id
    from {{ ref('int_customers_mapped') }}
),

accounts as (
    select
        customer_id,
        min(system_id || '/' || native_id) as account
    from (
        select
            *,
            count(*) over (partition by system_id, native_id) as customer_count
        from {{ ref('dim_customer_links') }}
        where relation = 'account'
    ) as shared
    where customer_count > 1
    group by customer_id
),

stated as (
    select
        customers.system_id,
        customers.customer_id,
        coalesce(customers.parent_customer_id, accounts.account) as parent_customer_id
    from customers
    left join accounts on customers.customer_id = accounts.customer_id
    where coalesce(customers.parent_customer_id, accounts.account) <> customers.customer_id
),

-- A head that the master data lacks (a group's code, a customer not read) is the top.
walked as (
    select
        customer_id,
        parent_customer_id as head,
        [customer_id] as path
    from stated
    union all
    select
        walked.customer_id,
        stated.parent_customer_id as head,
        list_append(walked.path, walked.head) as path
    from walked
    inner join stated on walked.head = stated.customer_id
    where not list_contains(walked.path, walked.head)
),

tops as (
    select
        walked.customer_id,
        walked.head as group_id
    from walked
    left join stated on walked.head = stated.customer_id
    where stated.customer_id is null
)

select
    stated.system_id,
    stated.customer_id,
    stated.parent_customer_id,
    coalesce(tops.group_id, stated.customer_id) as group_id,
    tops.group_id is null as is_circular
from stated
left join tops on stated.customer_id = tops.customer_id
