{# The day a posting bears: the value date, never after the as-of date, and never before the first
   day that the company has open. Null where that day is yet to come: nothing can be posted. #}
{% macro posting_day(receipts, companies) -%}
    case
            when coalesce({{ companies }}.posting_open_from <= {{ receipts }}.as_of_date, true)
                then greatest(
                    least({{ receipts }}.value_date, {{ receipts }}.as_of_date),
                    {{ companies }}.posting_open_from
                )
        end
{%- endmacro %}
