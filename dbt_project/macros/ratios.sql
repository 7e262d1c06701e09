{# A ratio of two amounts, null where there is nothing to divide by. Money stays exact up to here;
   what comes out is a figure to look at, never money. #}
{% macro ratio(numerator, denominator) -%}
    case
            when {{ denominator }} > 0
                then cast(
                    cast({{ numerator }} as double) / cast({{ denominator }} as double)
                    as decimal(38, 6)
                )
        end
{%- endmacro %}
