{# An invoice that sold something: a debit that is neither a returned payment nor the rest that a
   clearing left, and that was not reversed by the as-of date. Reads columns of fct_open_items. #}
{% macro is_sale() -%}
    item_class = 'invoice'
        and not is_reversed
        and coalesce(document_type, '') not in (
            '{{ var("document_types_without_sales") | join("', '") }}'
        )
{%- endmacro %}
