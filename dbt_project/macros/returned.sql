{# Returned payments that an ERP holds: debits under the hub's key, or booked by somebody else under
   the bank's reference of the return. To stand in a ``with`` after a CTE ``debits``, the feed's
   items that may be one; ends in ``found``.
   kind: the ERP's kind. matches: when a debit is somebody else's booking of a receipt. #}
{% macro returned_found(kind, matches) -%}
    commands as (
        select
            system_id,
            business_key as receipt_id,
            external_key
        from {{ source('ledger', 'commands') }}
        where
            object_name = 'returned_payments'
            and kind = '{{ kind }}'
            and coalesce(external_key, '') <> ''
    ),

    receipts as (
        select * from {{ ref('fct_receipts') }}
        where needs_review_reason = 'bank_reversal'
    ),

    found as (
        select
            commands.receipt_id,
            debits.*
        from debits
        inner join commands
            on debits.system_id = commands.system_id and debits.external_key = commands.external_key
        union distinct
        select
            receipts.receipt_id,
            debits.*
        from debits
        inner join receipts
            on
                debits.system_id = receipts.system_id
                and debits.company_code = receipts.company_code
                and debits.currency_code = receipts.currency_code
                and debits.posting_date >= receipts.value_date
                and {{ matches }}
    )
{%- endmacro %}

{# Fields of a returned payment that no ERP shows again. #}
{% macro returned_unseen() -%}
    cast(null as varchar) as value_date,
    cast(null as varchar) as bank_gl_account,
    cast(null as varchar) as lines,
    cast(null as varchar) as receipt_document,
    cast(null as varchar) as receipt_key
{%- endmacro %}
