-- Balances of posted documents as Tryton adds them up itself, in the shape of every ERP.
select
    system_id,
    cast(company as varchar) as company_code,
    code as gl_account,
    company__currency__code as company_currency_code,
    balance as amount
from {{ source('tryton_raw', 'accounts') }}
where code is not null
