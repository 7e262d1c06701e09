-- Credit memos and write-offs of the hub against what they are about: the residual item of the
-- short payment, or the invoice itself while it is open. The item must hold at least the amount;
-- what is more of it stays open. Each item is claimed by one memo at a time.
with memos as (
    select * from {{ ref('sync_sap_s4hana__credit_memos') }}
),

decided as (
    select
        decision_id,
        system_id,
        item_key
    from {{ source('decisions', 'deductions') }}
),

booked as (
    select * from {{ ref('int_memos_booked') }}
),

-- A memo that the ERP holds names its document; one that is still to be posted waits for it.
waiting as (
    select
        memos.*,
        decided.item_key,
        booked.fiscal_year as memo_fiscal_year,
        booked.accounting_document as memo_document,
        booked.accounting_document_item as memo_item
    from memos
    inner join decided
        on memos.system_id = decided.system_id and memos.object_key = decided.decision_id
    left join booked
        on memos.system_id = booked.system_id and memos.object_key = booked.decision_id
    where not coalesce(booked.is_cleared and not booked.is_clearing_reversed, false)
),

items as (
    select * from {{ ref('fct_open_items') }}
    where not is_cleared and not is_payment_blocked and amount_open > 0
),

candidates as (
    select
        item_key as origin_key,
        item_key as open_key,
        0 as distance
    from items
    union all
    select
        item_key as origin_key,
        residual_item_key as open_key,
        1 as distance
    from {{ ref('int_residuals_traced') }}
),

-- The item that equals the memo goes before a larger one.
matched as (
    select
        waiting.object_key,
        items.*,
        cast(waiting.amount as decimal(28, 6)) as memo_amount
    from waiting
    inner join candidates on waiting.item_key = candidates.origin_key
    inner join items
        on
            candidates.open_key = items.item_key
            and waiting.system_id = items.system_id
            and waiting.company_code = items.company_code
            and waiting.currency_code = items.currency_code
            and waiting.customer = items.customer
    where items.amount_open >= cast(waiting.amount as decimal(28, 6))
    qualify
        row_number() over (
            partition by waiting.object_key
            order by
                items.amount_open = cast(waiting.amount as decimal(28, 6)) desc,
                candidates.distance desc,
                items.item_key asc
        ) = 1
),

claimed as (
    select * from matched
    qualify row_number() over (partition by item_key order by object_key) = 1
)

select
    waiting.system_id,
    waiting.object_key,
    waiting.company_code,
    waiting.customer,
    waiting.currency_code,
    waiting.posting_date,
    waiting.memo_fiscal_year as receipt_fiscal_year,
    waiting.memo_document as receipt_document,
    waiting.memo_item as receipt_item,
    '[' || cast(json_merge_patch('{}', to_json({
        'item_key': claimed.item_key,
        'fiscal_year': claimed.fiscal_year,
        'document': claimed.accounting_document,
        'item': claimed.accounting_document_item,
        'amount': {{ money_text('claimed.memo_amount') }},
        'kind': if(claimed.amount_open > claimed.memo_amount, 'partial', null),
        'open_amount': if(
            claimed.amount_open > claimed.memo_amount, {{ money_text('claimed.amount_open') }}, null
        )
    })) as varchar) || ']' as lines,
    waiting.ctx_correlation_id,
    waiting.ctx_lane,
    waiting.ctx_customer_id,
    waiting.ctx_customer_name,
    waiting.ctx_company_code,
    waiting.ctx_document,
    waiting.ctx_amount,
    waiting.ctx_currency_code,
    if(waiting.memo_document is null, waiting.object_key, null) as ctx_after_key
from waiting
inner join claimed on waiting.object_key = claimed.object_key
