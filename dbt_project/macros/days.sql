{# The day's rows of a daily history are forgotten before they are written anew: the last run of a
   day wins, and no key has two rows for one day. ``days`` holds the days this run states (per
   company where companies have dates of their own), so that a day on which nothing is left becomes
   empty too. Runs in the transaction of the insert; older days are never touched. #}
{% macro forget_days(days, columns) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where ({{ columns | join(', ') }}) in (select {{ columns | join(', ') }} from {{ days }})
    {%- endif -%}
{%- endmacro %}
