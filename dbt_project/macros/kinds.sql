{# Every ERP kind's rows of one canonical entity. A kind that brings the view
   `feed_<kind>__<entity>` in its staging folder is in: ledgerloop names those kinds in
   LEDGERLOOP_ERP_KINDS, from the folders, before it starts dbt; no list is edited. #}
{% macro united(entity) -%}
    {#- sqlfluff knows `var` only; dbt always has `env_var`. -#}
    {%- set kinds = (env_var if env_var is defined else var)('LEDGERLOOP_ERP_KINDS', '') -%}
    {%- if not kinds -%}
        {{ exceptions.raise_compiler_error(
            'LEDGERLOOP_ERP_KINDS is not set: run dbt as dbt_project/README.md shows'
        ) }}
    {%- endif -%}
    {%- for kind in kinds.split(',') -%}
        select * from {{ ref('feed_' ~ kind ~ '__' ~ entity) }}
        {%- if not loop.last %}
        union all by name
        {% endif -%}
    {%- endfor -%}
{%- endmacro %}
