-- (Step 1/4) Money that came in, by booked bank entry: whose account, which company, which payer.
-- Pending and informational entries are not money yet; outgoing payments are not receipts.
-- A table: a dozen models look into it, and each would work it out, and plan it, once more.
{{ config(materialized='table') }}
with entries as (
    select * from {{ ref('stg_bank_files__entries') }}
    where
        coalesce(upper(status), 'BOOK') not in ('PDNG', 'INFO', 'FUTR')
        and (amount > 0 or is_reversal)
    qualify row_number() over (partition by receipt_id order by system_id) = 1
),

statements as (
    select * from {{ ref('stg_bank_files__statements') }}
),

-- Up to which day the bank's final statements speak of an account.
closed as (
    select
        account,
        max(closing_date) as closed_until
    from statements
    where statement_kind = 'final'
    group by account
),

own_accounts as (
    select
        {{ normalised_account('account') }} as account_key,
        system_id,
        company_code,
        gl_account,
        bank_line
    from {{ source('config', 'bank_accounts') }}
),

companies as (
    select * from {{ ref('int_companies_dated') }}
),

run as (
    select * from {{ source('config', 'run') }}
),

payers as (
    select * from {{ ref('int_payer_accounts_matched') }}
    where customer_count = 1
),

mapped as (
    select
        entries.receipt_id,
        coalesce(companies.system_id, entries.system_id) as system_id,
        companies.company_code,
        {{ masked_account('entries.account') }} as bank_account_masked,
        own_accounts.gl_account,
        own_accounts.bank_line,
        entries.amount,
        entries.currency_code,
        coalesce(entries.booking_date, entries.value_date) as booking_date,
        coalesce(entries.value_date, entries.booking_date) as value_date,
        entries.is_reversal,
        -- Booked in the course of a day, and not in the statement that closed it.
        coalesce(
            statements.statement_kind = 'interim'
            and closed.closed_until >= coalesce(entries.booking_date, entries.value_date), false
        ) as is_interim_unconfirmed,
        entries.original_reference,
        entries.return_reason,
        md5({{ normalised_account('entries.virtual_account') }}) as virtual_account_key,
        entries.remittance_text,
        nullif(
            concat_ws(';', entries.structured_references, entries.creditor_reference), ''
        ) as references_text,
        nullif(entries.end_to_end_id, 'NOTPROVIDED') as end_to_end_id,
        entries.account_servicer_reference as bank_reference,
        coalesce(entries.payer_name, entries.ultimate_payer_name) as payer_name,
        md5({{ normalised_account('entries.payer_account') }}) as payer_account_key,
        {{ masked_account('entries.payer_account') }} as payer_account_masked,
        payers.customer_id as payer_customer_id,
        coalesce(companies.as_of_date, run.as_of_date) as as_of_date
    from entries
    cross join run
    left join statements
        on
            entries.system_id = statements.system_id
            and entries.statement_id = statements.statement_id
    left join closed on entries.account = closed.account
    left join own_accounts
        on {{ normalised_account('entries.account') }} = own_accounts.account_key
    left join companies
        on
            own_accounts.system_id = companies.system_id
            and own_accounts.company_code = companies.company_code
    left join payers
        on
            md5({{ normalised_account('entries.payer_account') }}) = payers.payer_account_key
            and own_accounts.system_id = payers.erp_system_id
            and coalesce(entries.value_date, entries.booking_date)
            >= coalesce(payers.valid_from, entries.value_date, entries.booking_date)
)

select * from mapped
where booking_date <= as_of_date
