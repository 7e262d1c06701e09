-- Bank details that the Electronic Bank Payments SuiteApp keeps, in the shape of every ERP.
select
    details.system_id,
    upper(customers.entityid) as customer,
    coalesce(
        {{ normalised_account('details.custrecord_2663_entity_iban') }},
        {{ normalised_account('details.custrecord_2663_entity_acct_no') }}
    ) as account,
    cast(null as date) as valid_from,
    cast(null as date) as valid_to
from {{ source('netsuite_raw', 'bank_details') }} as details
inner join {{ source('netsuite_raw', 'customers') }} as customers
    on
        details.system_id = customers.system_id
        and details.custrecord_2663_parent_customer = customers.id
where coalesce(details.isinactive, 'F') <> 'T'
