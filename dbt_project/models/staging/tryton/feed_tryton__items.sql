-- Lines on receivable accounts and on the unidentified-receipts account, posted, in the shape of
-- every ERP. What the hub's allocations moved stands as applications, not as items.
with lines as (
    select * from {{ ref('stg_tryton__lines_placed') }}
    where not is_allocation
),

invoices as (
    select * from {{ ref('stg_tryton__invoices') }}
    qualify row_number() over (partition by system_id, move_id order by invoice_id) = 1
),

natured as (
    select
        lines.* exclude (external_key),
        coalesce(lines.external_key, invoices.external_key) as external_key,
        -- A debit memo of the hub goes by the number that the customer was given, surest first.
        list_filter(
            if(
                invoices.external_key is null,
                [coalesce(invoices.invoice_number, lines.move_number), invoices.customer_reference],
                [invoices.customer_reference, invoices.invoice_number]
            ),
            lambda reference: reference is not null
        ) as reference_list,
        invoices.invoice_date,
        not lines.is_receivable and lines.reconciliation_id is not null as is_moved,
        case
            when not lines.is_receivable and lines.amount < 0 then 'unidentified'
            when not lines.is_receivable then null
            when invoices.move_id is null and lines.journal_type in ('cash', 'bank')
                then 'payment'
            else 'receivable'
        end as item_nature
    from lines
    left join invoices
        on lines.system_id = invoices.system_id and lines.move_id = invoices.move_id
)

select
    system_id,
    company_code,
    cast(year(posting_date) as varchar) as fiscal_year,
    move_id as accounting_document,
    line_id as accounting_document_item,
    item_nature,
    if(item_nature = 'unidentified', null, customer) as customer,
    journal_code as document_type,
    reference_list[1] as invoice_number,
    reference_list,
    cast(null as varchar) as sales_document,
    posting_date,
    coalesce(invoice_date, posting_date) as document_date,
    if(item_nature = 'receivable', maturity_date, coalesce(maturity_date, posting_date))
        as net_due_date,
    currency_code,
    amount as amount_original,
    amount_company as amount_original_company,
    -- A customer's items are applied in parts (see the applications); an unidentified receipt that
    -- was moved to its customer is reconciled with what moved it, whole.
    is_moved as is_cleared_now,
    if(is_moved, reconciled_date, null) as clearing_date,
    if(is_moved, cast(year(reconciled_date) as varchar), null) as clearing_fiscal_year,
    if(is_moved, 'R' || reconciliation_id, null) as clearing_document,
    reversal_move_id is not null as is_reversed,
    is_reversal,
    coalesce(reversal_move_id, if(is_reversal, origin_move_id, null)) as reverse_document,
    -- A cancelling document takes the text of what it cancels, the key in it too.
    if(is_reversal, null, external_key) as external_key,
    cast(null as varchar) as assignment_reference,
    -- Only a payment names the bank; what a person typed as its text may be the bank's reference.
    case
        when item_nature = 'receivable' then null
        when external_key is null then move_description
        else nullif(substr(move_description, 22), '')
    end as bank_reference,
    coalesce(line_text, move_description) as item_text,
    false as is_payment_blocked,
    loaded_at
from natured
where item_nature is not null
