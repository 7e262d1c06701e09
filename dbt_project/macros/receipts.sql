{# A receipt is booked once, and once more when it moves from the unidentified account to its
   customer: that posting's key is the receipt's with this behind it. #}
{% macro moved_suffix() -%}-moved{%- endmacro %}

{# The receipt that a posting's key is about. #}
{% macro receipt_of_key(column) -%}
    regexp_replace({{ column }}, '{{ moved_suffix() }}$', '')
{%- endmacro %}
