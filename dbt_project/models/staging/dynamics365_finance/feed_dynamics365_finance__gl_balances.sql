-- Balances of main accounts in the shape of every ERP.
select
    system_id,
    upper(dataAreaId) as company_code,
    MainAccount as gl_account,
    AccountingCurrencyCode as company_currency_code,
    AccountingCurrencyAmount as amount
from {{ source('dynamics365_finance_raw', 'main_account_balances') }}
