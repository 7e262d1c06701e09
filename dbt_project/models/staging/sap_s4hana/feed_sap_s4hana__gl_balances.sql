-- G/L balances in the shape of every ERP.
select
    system_id,
    company_code,
    gl_account,
    company_code_currency as company_currency_code,
    amount_in_company_code_currency as amount
from {{ ref('stg_sap_s4hana__gl_balances') }}
