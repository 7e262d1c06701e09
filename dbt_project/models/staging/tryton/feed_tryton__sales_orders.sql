-- Sales orders in the shape of every ERP. Tryton marks no order as blocked: it refuses to confirm
-- one whose amount goes beyond the limit, so a quotation that could not be confirmed now is one
-- that credit holds. Other quotations are not orders yet. Only orders shipped on order are checked.
-- Limits are in the company's currency: units of each currency for one of a third stand beside it.
with sales as (
    select * from {{ source('tryton_raw', 'sales') }}
),

credit as (
    select * from {{ source('tryton_raw', 'credit') }}
),

checked as (
    select
        sales.*,
        sales.state = 'quotation'
        and sales.shipment_method = 'order'
        and sales.untaxed_amount > 0
        and coalesce(
            sales.untaxed_amount * coalesce(sales.company__currency__rate, 1)
            > (credit.credit_limit_amount - credit.credit_amount)
            * coalesce(sales.currency__rate, 1),
            false
        ) as is_credit_blocked
    from sales
    left join credit
        on
            sales.system_id = credit.system_id
            and sales.company = credit.company
            and sales.party__code = credit.code
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
