{# A view or table takes the place of the one before it in one statement, inside one transaction:
   who fails leaves the old one standing. dbt's own way, made for every database, builds beside the
   old one, renames both and drops one: of a small model that is most of its cost. No grants, indexes
   or comments: nothing here has any. #}
{% macro replaced(old) -%}
    {%- if old is not none -%} drop {{ old.type }} if exists {{ old }}; {%- endif -%}
{%- endmacro %}

{% materialization view, adapter='duckdb' -%}
    {%- set made = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        {{ replaced(load_cached_relation(this)) }}
        {{ get_create_view_as_sql(made, sql) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [made]}) }}
{%- endmaterialization %}

{% materialization table, adapter='duckdb', supported_languages=['sql'] -%}
    {%- set made = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        {{ replaced(load_cached_relation(this)) }}
        {{ get_create_table_as_sql(false, made, sql) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [made]}) }}
{%- endmaterialization %}
