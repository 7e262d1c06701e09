{# The bounds of several validities together: an open one (null) stays open. #}
{% macro earliest(column) -%}
    if(bool_or({{ column }} is null), null, min({{ column }}))
{%- endmacro %}

{% macro latest(column) -%}
    if(bool_or({{ column }} is null), null, max({{ column }}))
{%- endmacro %}
