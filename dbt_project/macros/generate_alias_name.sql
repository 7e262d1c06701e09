{# dbt wants every model's name unique; a target object has one view in each of two schemas. The
   folder's prefix is dropped: sync_salesforce__accounts becomes sync.salesforce__accounts. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- set name = custom_alias_name or node.name -%}
    {%- for prefix in ['sync_', 'observed_'] if name.startswith(prefix) -%}
        {%- set name = name[prefix | length:] -%}
        {{ return(name) }}
    {%- endfor -%}
    {{ name }}
{%- endmacro %}
