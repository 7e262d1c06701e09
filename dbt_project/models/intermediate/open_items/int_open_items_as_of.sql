-- (Step 2/2) What is open as of each company's date: original minus what was applied by then. An
-- item posted later is not there yet; an item cleared later is still open.
with keyed as (
    select * from {{ ref('int_open_items_keyed') }}
    where posting_date <= as_of_date
),

-- Parts of items that other documents were applied to by then, where an ERP applies parts.
parts as (
    select
        applications.system_id,
        applications.company_code,
        applications.fiscal_year,
        applications.accounting_document,
        applications.accounting_document_item,
        sum(applications.amount) as amount_parts,
        sum(applications.amount_company) as amount_parts_company,
        max(applications.applied_date) as last_applied_date,
        arg_max(applications.applying_document, applications.applied_date) as last_document
    from {{ ref('int_erp_applications_united') }} as applications
    inner join {{ ref('int_companies_dated') }} as companies
        on
            applications.system_id = companies.system_id
            and applications.company_code = companies.company_code
    where applications.applied_date <= companies.as_of_date
    group by all
),

partly as (
    select
        keyed.*,
        coalesce(parts.amount_parts, 0) as amount_parts,
        coalesce(parts.amount_parts_company, 0) as amount_parts_company,
        coalesce(parts.amount_parts = keyed.amount_original, false) as is_wholly_applied,
        parts.last_applied_date,
        parts.last_document
    from keyed
    left join parts
        on
            keyed.system_id = parts.system_id
            and keyed.company_code = parts.company_code
            and keyed.fiscal_year = parts.fiscal_year
            and keyed.accounting_document = parts.accounting_document
            and keyed.accounting_document_item = parts.accounting_document_item
),

closed as (
    select
        *,
        is_cleared_now
        and coalesce(clearing_date, posting_date) <= as_of_date as is_cleared_by_date,
        coalesce(reversal_date <= as_of_date, false) as is_reversed_by_date
    from partly
),

applied as (
    select
        * exclude (clearing_date, clearing_fiscal_year, clearing_document),
        is_cleared_by_date or is_reversed_by_date or is_wholly_applied as is_cleared,
        case
            when is_cleared_by_date then coalesce(clearing_date, posting_date)
            when is_reversed_by_date then reversal_date
            when is_wholly_applied then last_applied_date
        end as clearing_date,
        case
            when is_cleared_by_date then clearing_fiscal_year
            when is_reversed_by_date then reversal_fiscal_year
            when is_wholly_applied then cast(year(last_applied_date) as varchar)
        end as clearing_fiscal_year,
        case
            when is_cleared_by_date then clearing_document
            when is_reversed_by_date then reversal_document
            when is_wholly_applied then last_document
        end as clearing_document,
        case
            when amount_original >= 0 then 'invoice'
            when item_nature = 'payment' then 'unapplied_cash'
            else 'credit'
        end as item_class
    from closed
),

opened as (
    select
        *,
        if(is_cleared, amount_original, amount_parts) as amount_applied,
        if(is_cleared, 0, amount_original - amount_parts) as amount_open,
        if(is_cleared, 0, amount_original_company - amount_parts_company) as amount_open_company,
        if(is_cleared, 0, greatest(as_of_date - due_date, 0)) as days_past_due
    from applied
),

aged as (
    select
        *,
        case
            when item_class <> 'invoice' then null
            when is_cleared then 'Paid'
            when days_past_due = 0 then 'Current'
            when days_past_due <= 30 then '1-30'
            when days_past_due <= 60 then '31-60'
            when days_past_due <= 90 then '61-90'
            when days_past_due <= 120 then '91-120'
            else '121+'
        end as aging_bucket
    from opened
)

select * from aged
