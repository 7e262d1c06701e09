-- What was applied to which item, when. Tryton knows two ways: lines that were reconciled are done
-- with, whole; and payments that stand beside an invoice (`payment_lines`) pay it in part until it
-- is reconciled. A reconciled item was applied by what stands beside it, and the rest on the day of
-- the reconciliation.
with lines as (
    select * from {{ ref('stg_tryton__lines_placed') }}
    where is_receivable
),

invoices as (
    select * from {{ ref('stg_tryton__invoices') }}
    where payment_line_ids is not null
),

payment_ids as (
    select
        system_id,
        invoice_id,
        unnest(payment_line_ids) as line_id
    from invoices
),

due_ids as (
    select
        system_id,
        invoice_id,
        unnest(due_line_ids) as line_id
    from invoices
),

-- Payments and instalments of an invoice, each on the stretch of its amount that it covers: the
-- first payment pays the first instalment.
paying as (
    select
        payment_ids.invoice_id,
        lines.*,
        sum(abs(lines.amount)) over earlier as amount_until
    from payment_ids
    inner join lines
        on payment_ids.system_id = lines.system_id and payment_ids.line_id = lines.line_id
    window earlier as (
        partition by payment_ids.system_id, payment_ids.invoice_id
        order by lines.posting_date, cast(lines.line_id as bigint)
    )
),

due as (
    select
        due_ids.invoice_id,
        lines.*,
        sum(abs(lines.amount)) over earlier as amount_until
    from due_ids
    inner join lines
        on due_ids.system_id = lines.system_id and due_ids.line_id = lines.line_id
    window earlier as (
        partition by due_ids.system_id, due_ids.invoice_id
        order by lines.maturity_date, cast(lines.line_id as bigint)
    )
),

parts as (
    select
        due.system_id,
        due.line_id as due_line_id,
        paying.line_id as paying_line_id,
        paying.move_id as paying_move_id,
        due.move_id as due_move_id,
        greatest(paying.posting_date, due.posting_date) as applied_date,
        sign(due.amount)
        * (
            least(due.amount_until, paying.amount_until)
            - greatest(
                due.amount_until - abs(due.amount), paying.amount_until - abs(paying.amount)
            )
        ) as amount,
        due.company_currency_code,
        due.amount as due_amount,
        due.amount_company as due_amount_company,
        paying.amount as paying_amount,
        paying.amount_company as paying_amount_company
    from due
    inner join paying
        on
            due.system_id = paying.system_id
            and due.invoice_id = paying.invoice_id
            and due.currency_code = paying.currency_code
            and sign(due.amount) <> sign(paying.amount)
            and due.amount_until - abs(due.amount) < paying.amount_until
            and paying.amount_until - abs(paying.amount) < due.amount_until
),

sided as (
    select
        system_id,
        due_line_id as line_id,
        applied_date,
        amount,
        due_amount as whole_amount,
        due_amount_company as whole_amount_company,
        company_currency_code,
        paying_move_id as applying_document
    from parts
    union all
    select
        system_id,
        paying_line_id as line_id,
        applied_date,
        -amount as amount,
        paying_amount as whole_amount,
        paying_amount_company as whole_amount_company,
        company_currency_code,
        due_move_id as applying_document
    from parts
),

-- The company's amount by the share that was applied, in millionths as whole numbers: dividing
-- decimals would go through a float. A whole line takes its own amount.
part_rows as (
    select
        system_id,
        line_id,
        applied_date,
        amount,
        cast(if(
            amount = whole_amount, whole_amount_company,
            {{ rounded_money(
                "cast(cast(whole_amount_company * 1000000 as hugeint)"
                " * cast(amount * 1000000 as hugeint)"
                " // cast(whole_amount * 1000000 as hugeint) as decimal(20, 0))"
                " * cast('0.000001' as decimal(7, 6))",
                'company_currency_code'
            ) }}
        ) as decimal(28, 6)) as amount_company,
        applying_document
    from sided
),

part_sums as (
    select
        system_id,
        line_id,
        sum(amount) as amount,
        sum(amount_company) as amount_company
    from part_rows
    group by all
),

-- The receipt that an allocation divides is applied but for what stays on account; a discount that
-- the allocation gave stands on the invoice only.
divided as (
    select
        origins.system_id,
        origins.line_id,
        max(allocations.posting_date) as applied_date,
        origins.amount - coalesce(sum(allocations.amount) filter (
            where not allocations.is_with_document and part_sums.line_id is null
        ), 0) as amount,
        origins.amount_company - coalesce(sum(allocations.amount_company) filter (
            where not allocations.is_with_document and part_sums.line_id is null
        ), 0) as amount_company,
        max(allocations.move_id) as applying_document
    from lines as allocations
    inner join lines as origins
        on
            allocations.system_id = origins.system_id
            and allocations.origin_move_id = origins.move_id
            and not origins.is_allocation
            and sign(allocations.amount) = sign(origins.amount)
    left join part_sums
        on allocations.system_id = part_sums.system_id and allocations.line_id = part_sums.line_id
    where allocations.is_allocation
    group by origins.system_id, origins.line_id, origins.amount, origins.amount_company
),

reconciled as (
    select
        lines.system_id,
        lines.line_id,
        lines.reconciled_date as applied_date,
        lines.amount - coalesce(part_sums.amount, 0) as amount,
        lines.amount_company - coalesce(part_sums.amount_company, 0) as amount_company,
        'R' || lines.reconciliation_id as applying_document
    from lines
    left join part_sums
        on lines.system_id = part_sums.system_id and lines.line_id = part_sums.line_id
    left join divided
        on lines.system_id = divided.system_id and lines.line_id = divided.line_id
    where lines.reconciliation_id is not null and divided.line_id is null
),

applied as (
    select * from part_rows
    union all by name
    select * from divided
    union all by name
    select * from reconciled
    where amount <> 0 or amount_company <> 0
)

select
    applied.system_id,
    lines.company_code,
    cast(year(lines.posting_date) as varchar) as fiscal_year,
    lines.move_id as accounting_document,
    lines.line_id as accounting_document_item,
    applied.applied_date,
    cast(applied.amount as decimal(28, 6)) as amount,
    cast(applied.amount_company as decimal(28, 6)) as amount_company,
    applied.applying_document
from applied
inner join lines on applied.system_id = lines.system_id and applied.line_id = lines.line_id
where not lines.is_allocation
