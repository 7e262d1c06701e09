-- No target object is wanted twice: every key of every sync view is unique. Guards the planner,
-- which joins by key; two wishes for one object would overwrite each other for ever.
{% set views = [
    'sync_sap_s4hana__journal_entries', 'sync_sap_s4hana__clearings',
    'sync_sap_s4hana__unidentified_clearings', 'sync_sap_s4hana__refund_clearings',
    'sync_sap_s4hana__credit_memos', 'sync_sap_s4hana__credit_memo_clearings',
    'sync_sap_s4hana__returned_payments',
    'sync_sap_s4hana__credit_accounts', 'sync_sap_s4hana__sales_orders',
    'sync_salesforce__accounts', 'sync_salesforce__balances', 'sync_salesforce__invoices'
] %}
with wanted as (
    {% for view in views %}
        select
            '{{ view }}' as view_name,
            system_id,
            object_key
        from {{ ref(view) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    view_name,
    system_id,
    object_key,
    count(*) as found
from wanted
group by all
having count(*) > 1 or object_key is null
