-- Transactions on receivables and on the unidentified-receipts account, in the shape of every ERP.
-- A document is one item; a journal entry has one per line. What a payment's discount takes off its
-- invoices is an item of its own, so that the payment keeps the bank's amount.
with deleted as (
    select
        system_id,
        recordid
    from {{ source('netsuite_raw', 'deleted_records') }}
    where
        lower(replace(type, ' ', '')) in (
            'invoice', 'custinvc', 'creditmemo', 'custcred',
            'customerpayment', 'custpymt', 'customerrefund', 'custrfnd', 'journalentry', 'journal'
        )
),

unidentified_accounts as (
    select * from {{ source('config', 'gl_accounts') }}
    where role = 'unidentified'
),

lines as (
    select
        lines.*,
        upper(lines.entityid) as customer,
        -- The vendor's foreign amount is not signed on every line; the posted amount is.
        if(lines.amount < 0, -abs(lines.foreignamount), lines.foreignamount) as signed_amount,
        unidentified_accounts.gl_account is not null as is_unidentified
    from {{ source('netsuite_raw', 'transaction_lines') }} as lines
    left join unidentified_accounts
        on
            lines.system_id = unidentified_accounts.system_id
            and lines.acctnumber = unidentified_accounts.gl_account
    anti join deleted
        on lines.system_id = deleted.system_id and lines.transaction = deleted.recordid
    where coalesce(lines.voided, 'F') <> 'T'
),

documents as (
    select
        * exclude (transactionline, linememo, amount, signed_amount),
        memo as item_text,
        '001' as item,
        sum(amount) over whole as amount_company,
        sum(signed_amount) over whole as amount_posted,
        if(type = 'CustPymt', -foreigntotal, sum(signed_amount) over whole) as amount
    from lines
    where type <> 'Journal' and not is_unidentified
    window whole as (partition by system_id, transaction)
    qualify
        row_number()
            over (partition by system_id, transaction order by cast(transactionline as bigint))
        = 1
),

-- Exact in the company's own currency; in another one a discount's share is rounded.
shared as (
    select
        * exclude (amount_company),
        amount_company as amount_company_posted,
        case
            when amount_posted = amount then amount_company
            when amount_posted = amount_company then amount
            else cast(round_even(amount_company * amount / amount_posted, 2) as decimal(28, 6))
        end as amount_company
    from documents
),

items as (
    select * exclude (amount_posted, amount_company_posted)
    from shared
    union all by name
    select
        * exclude (amount_company, amount_company_posted, amount_posted, amount, item, type),
        type || 'Disc' as type,
        '002' as item,
        amount_posted - amount as amount,
        amount_company_posted - amount_company as amount_company
    from shared
    where amount_posted <> amount
    union all by name
    select
        * exclude (transactionline, linememo, amount, signed_amount),
        coalesce(linememo, memo) as item_text,
        lpad(cast(cast(transactionline as bigint) + 1 as varchar), 3, '0') as item,
        signed_amount as amount,
        amount as amount_company
    from lines
    where type = 'Journal' or is_unidentified
)

select
    system_id,
    subsidiary as company_code,
    cast(year(trandate) as varchar) as fiscal_year,
    transaction as accounting_document,
    item as accounting_document_item,
    case
        when is_unidentified then 'unidentified'
        -- A refund is cash like the payment that it gives back, and closes it.
        when type in ('CustPymt', 'CustRfnd') then 'payment'
        else 'receivable'
    end as item_nature,
    if(is_unidentified, null, customer) as customer,
    type as document_type,
    coalesce(tranid, transaction) as invoice_number,
    [tranid, otherrefnum, transaction] as reference_list,
    createdfrom as sales_document,
    trandate as posting_date,
    trandate as document_date,
    coalesce(duedate, trandate) as net_due_date,
    currencysymbol as currency_code,
    cast(amount as decimal(28, 6)) as amount_original,
    cast(amount_company as decimal(28, 6)) as amount_original_company,
    false as is_cleared_now,
    cast(null as date) as clearing_date,
    cast(null as varchar) as clearing_fiscal_year,
    cast(null as varchar) as clearing_document,
    false as is_reversed,
    false as is_reversal,
    cast(null as varchar) as reverse_document,
    nullif(regexp_extract(externalid, '^LLP-([A-Z2-7]{20})$', 1), '') as external_key,
    nullif(regexp_extract(item_text, '^([0-9a-f]{18}) ', 1), '') as assignment_reference,
    left(if(type = 'Journal', memo, otherrefnum), 16) as bank_reference,
    item_text,
    false as is_payment_blocked,
    _loaded_at as loaded_at
from items
