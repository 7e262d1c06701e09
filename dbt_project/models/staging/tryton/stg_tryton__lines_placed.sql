-- Lines of receivables with what they are beside others: Tryton's cancelling documents, and the
-- hub's allocations, which move a payment from one line to several without changing what is owed.
with lines as (
    select * from {{ ref('stg_tryton__move_lines') }}
),

-- The hub says in the text that a document is an allocation, and names the receipt as its origin.
moves as (
    select
        system_id,
        move_id,
        any_value(company_code) as company_code,
        any_value(posting_date) as posting_date,
        nullif(regexp_extract(any_value(move_origin), '^account\.move,(\d+)$', 1), '')
            as origin_move_id,
        sum(amount_company) filter (where is_receivable) as amount_net,
        bool_or(coalesce(ends_with(move_description, ' allocation'), false)) as says_allocation
    from lines
    group by system_id, move_id
),

natured as (
    select
        moves.*,
        moves.origin_move_id is not null and moves.says_allocation as is_allocation,
        moves.origin_move_id is not null
        and not moves.says_allocation
        and moves.amount_net = -origins.amount_net as is_reversal
    from moves
    left join moves as origins
        on moves.system_id = origins.system_id and moves.origin_move_id = origins.move_id
),

reversed as (
    select
        system_id,
        origin_move_id as move_id,
        min(move_id) as reversal_move_id
    from natured
    where is_reversal
    group by all
)

select
    lines.*,
    natured.is_allocation,
    natured.is_reversal,
    natured.origin_move_id,
    reversed.reversal_move_id,
    -- The date of a reconciliation in Tryton may be a due date in the future: the day on which all
    -- its documents were there is the one on which it happened.
    if(
        lines.reconciliation_id is null, null,
        max(lines.posting_date) over (partition by lines.system_id, lines.reconciliation_id)
    ) as reconciled_date,
    lines.reconciliation_id is not null
    and bool_or(natured.is_allocation)
        over (partition by lines.system_id, lines.reconciliation_id) as is_with_allocation,
    lines.reconciliation_id is not null
    and bool_or(not natured.is_allocation)
        over (partition by lines.system_id, lines.reconciliation_id) as is_with_document
from lines
inner join natured on lines.system_id = natured.system_id and lines.move_id = natured.move_id
left join reversed on lines.system_id = reversed.system_id and lines.move_id = reversed.move_id
