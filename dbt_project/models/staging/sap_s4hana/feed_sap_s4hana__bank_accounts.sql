-- Bank accounts of customers, with their validity, in the shape of every ERP.
select
    bank_accounts.system_id,
    partners.customer,
    coalesce(
        {{ normalised_account('bank_accounts.iban') }},
        {{ normalised_account('bank_accounts.bank_account') }}
    ) as account,
    bank_accounts.validity_start_date as valid_from,
    bank_accounts.validity_end_date as valid_to
from {{ ref('stg_sap_s4hana__bank_accounts') }} as bank_accounts
inner join {{ ref('stg_sap_s4hana__business_partners') }} as partners
    on
        bank_accounts.system_id = partners.system_id
        and bank_accounts.business_partner = partners.business_partner
where partners.customer is not null
