-- G/L balances in the shape of every ERP: sums over every posted line of an account.
select
    system_id,
    subsidiary as company_code,
    acctnumber as gl_account,
    currencysymbol as company_currency_code,
    amount
from {{ source('netsuite_raw', 'gl_balances') }}
