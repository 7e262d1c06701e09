-- Which customer item is which credit memo or write-off of the hub, by the key that travelled
-- with it.
with commands as (
    select
        system_id,
        business_key,
        external_key
    from {{ source('ledger', 'commands') }}
    where object_name = 'credit_memos' and coalesce(external_key, '') <> ''
),

items as (
    select * from {{ ref('stg_sap_s4hana__operational_items') }}
    where financial_account_type = 'D' and not is_reversed and not is_reversal
)

select
    commands.business_key as decision_id,
    items.*
from items
inner join commands
    on items.system_id = commands.system_id and items.partner_reference_3 = commands.external_key
qualify
    row_number() over (
        partition by items.system_id, commands.business_key
        order by items.fiscal_year, items.accounting_document, items.accounting_document_item
    ) = 1
