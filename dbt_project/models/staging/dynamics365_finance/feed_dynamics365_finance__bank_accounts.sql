-- Bank accounts of customers in the shape of every ERP.
select distinct
    system_id,
    upper(trim(CustomerAccountNumber)) as customer,
    coalesce(
        {{ normalised_account('IBAN') }}, {{ normalised_account('BankAccountNumber') }}
    ) as account,
    {{ d365_date('ActiveDate') }} as valid_from,
    {{ d365_date('ExpirationDate') }} as valid_to
from {{ source('dynamics365_finance_raw', 'customer_bank_accounts') }}
