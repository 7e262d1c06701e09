-- Receipts beside the best decision about them (rank 1): the certain customer, if there is one, and
-- the date a posting would bear: the value date, or the first day that the company has open. Where
-- that day is yet to come, or the policy parks what is of a closed period, nothing is posted.
with receipts as (
    select * from {{ ref('fct_receipts') }}
),

applications as (
    select * from {{ source('decisions', 'applications') }}
    where rank = 1
),

customers as (
    select * from {{ ref('dim_customers') }}
),

companies as (
    select * from {{ ref('dim_legal_entities') }}
),

erp_receipts as (
    select * from {{ ref('int_erp_receipts_keyed') }}
    where
        not is_reversed
        and item_key not in (
            select receipts.booked_item_key from receipts
            where receipts.booked_item_key is not null
        )
),

shares as (
    select
        receipt_id,
        customer_id,
        min(decision) as decision,
        count(distinct decision) as decision_count,
        sum(amount) as amount
    from applications
    group by receipt_id, customer_id
),

decided as (
    select
        receipt_id,
        min(decision) as decision,
        greatest(max(decision_count), count(distinct decision)) as decision_count,
        arg_max(customer_id, (amount, customer_id)) filter (where customer_id is not null)
            as customer_id,
        list(customer_id) filter (where customer_id is not null) as customer_ids
    from shares
    group by receipt_id
),

-- A receipt's customer counts only where it is one customer, of the ERP that owns the bank account.
-- Where one payment certainly pays items of several, it stands on the one that holds it already, or
-- that has the largest part of it; clearing it then settles the others' items too.
joined as (
    select
        receipts.*,
        decided.decision,
        customers.customer_id as decided_customer_id,
        customers.customer as decided_customer,
        customers.name as decided_customer_name,
        companies.key_prefix,
        {{ posting_day('receipts', 'companies') }} as posting_date,
        coalesce(
            companies.posting_open_from > receipts.value_date
            and companies.closed_period = 'park', false
        ) as is_parked
    from receipts
    inner join decided on receipts.receipt_id = decided.receipt_id
    inner join companies
        on
            receipts.system_id = companies.system_id
            and receipts.company_code = companies.company_code
    left join customers
        on
            if(
                list_contains(decided.customer_ids, receipts.booked_customer_id),
                receipts.booked_customer_id, decided.customer_id
            ) = customers.customer_id
            and (len(decided.customer_ids) = 1 or decided.decision = 'auto')
            and decided.decision_count = 1
            and decided.decision <> 'unidentified'
            and receipts.system_id = customers.system_id
),

checked as (
    select
        joined.*,
        exists(
            select 1
            from erp_receipts
            where
                (joined.booked_by = 'none' or joined.is_unidentified)
                and erp_receipts.system_id = joined.system_id
                and erp_receipts.company_code = joined.company_code
                and erp_receipts.customer_id = joined.decided_customer_id
                and erp_receipts.amount = joined.amount
                and erp_receipts.currency_code = joined.currency_code
                and erp_receipts.posting_date >= joined.value_date
        ) as is_maybe_booked
    from joined
)

select * from checked
