-- Sales orders in the shape of every ERP. Tryton marks no order as blocked: it refuses to confirm
-- one whose amount goes beyond the limit, and the quotation stays one. So a quotation with the
-- customer's own reference is an order that credit holds if it could not be confirmed now, or could
-- not when somebody last had it in hand: what was paid since lowers what is used, and confirms
-- nothing. Without that reference it is an offer. Only orders shipped on order are checked. Limits
-- are in the company's currency: units of each currency for one of a third stand beside it.
with sales as (
    select * from {{ source('tryton_raw', 'sales') }}
),

credit as (
    select * from {{ source('tryton_raw', 'credit') }}
),

lines as (
    select * from {{ ref('stg_tryton__move_lines') }}
    where is_receivable
),

-- By how much the ledger changed what a customer owes after a quotation was last in hand.
changes_since as (
    select
        sales.system_id,
        sales.id,
        sum(lines.amount_company) as amount_company
    from sales
    inner join lines
        on
            sales.system_id = lines.system_id
            and cast(sales.company as varchar) = lines.company_code
            and sales.party__code = lines.customer
            and coalesce(sales.write_date, sales.create_date) < lines.created_at
    where sales.state = 'quotation'
    group by sales.system_id, sales.id
),

checked as (
    select
        sales.*,
        sales.state = 'quotation'
        and sales.shipment_method = 'order'
        and coalesce(sales.reference, '') <> ''
        and sales.untaxed_amount > 0
        and coalesce(
            sales.untaxed_amount * coalesce(sales.company__currency__rate, 1)
            > (
                credit.credit_limit_amount
                - credit.credit_amount
                + least(coalesce(changes_since.amount_company, 0), 0)
            )
            * coalesce(sales.currency__rate, 1),
            false
        ) as is_credit_blocked
    from sales
    left join credit
        on
            sales.system_id = credit.system_id
            and sales.company = credit.company
            and sales.party__code = credit.code
    left join changes_since
        on sales.system_id = changes_since.system_id and sales.id = changes_since.id
)

select
    system_id,
    cast(company as varchar) as company_code,
    number as sales_order,
    party__code as customer,
    coalesce(shipping_date, sale_date, cast(create_date as date)) as requested_date,
    coalesce(sale_date, cast(create_date as date)) as order_date,
    currency__code as currency_code,
    cast(untaxed_amount as decimal(28, 6)) as amount,
    is_credit_blocked,
    state <> 'done' as is_open,
    cast(null as varchar) as other_block
from checked
where number is not null and (state in ('confirmed', 'processing', 'done') or is_credit_blocked)
