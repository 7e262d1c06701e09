{# Whether a debit is what the hub posted when a payment came back or went back: of every ERP, by
   the hub's key, which stands in all it posted. #}
{% macro is_of(objects, table='') -%}
    {%- set prefix = table ~ '.' if table else '' -%}
    coalesce({{ prefix }}external_key, '') in (
        select commands.external_key
        from {{ source('ledger', 'commands') }} as commands
        where
            commands.external_key <> ''
            and commands.object_name in ('{{ objects | join("', '") }}')
    )
{%- endmacro %}

{# An invoice that sold something: a debit that is neither a returned payment nor the rest that a
   clearing left, and that was not reversed by the as-of date. Reads columns of fct_open_items. #}
{% macro is_sale(table='') -%}
    {%- set prefix = table ~ '.' if table else '' -%}
    {{ prefix }}item_class = 'invoice'
        and not {{ prefix }}is_reversed
        and coalesce({{ prefix }}document_type, '') not in (
            '{{ var("document_types_without_sales") | join("', '") }}'
        )
        and not {{ is_of(['returned_payments', 'refunds'], table) }}
{%- endmacro %}
