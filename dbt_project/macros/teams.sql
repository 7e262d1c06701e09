{# The team that looks after a target object; an exception's own team comes before it. #}
{% macro team_of(object_name) -%}
    case
            when {{ object_name }} in ('credit_accounts', 'credit_limits', 'sales_orders') then 'credit'
            when {{ object_name }} in ('journal_entries', 'clearings', 'payments', 'applications') then 'cash application'
            else 'accounts receivable'
        end
{%- endmacro %}
