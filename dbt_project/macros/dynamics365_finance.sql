{# Dynamics 365 keeps a date as noon UTC, and no date as 1900-01-01. #}
{% macro d365_date(column) -%}
    nullif(cast({{ column }} at time zone 'UTC' as date), date '1900-01-01')
{%- endmacro %}
