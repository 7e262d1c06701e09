-- Balances of ledger accounts, from a report of their own, in the shape of every ERP.
select
    system_id,
    Company_Reference_ID as company_code,
    Ledger_Account_ID as gl_account,
    Ledger_Currency as company_currency_code,
    Ending_Balance as amount
from {{ source('workday_raw', 'ledger_account_balances') }}
