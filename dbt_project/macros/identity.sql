{# SAP shows numeric customer numbers with leading zeros to ten characters; spreadsheets and CRMs
   lose the zeros, and floats add ".0". Everything else is kept in capitals. Empty becomes null. #}
{% macro padded_customer(column) -%}
    case
            when regexp_full_match(trim({{ column }}), '[0-9]{1,10}(\.0+)?')
                then lpad(split_part(trim({{ column }}), '.', 1), 10, '0')
            else nullif(upper(trim({{ column }})), '')
        end
{%- endmacro %}

{# An account number without blanks, dashes and case: banks and master data write it differently. #}
{% macro normalised_account(column) -%}
    nullif(upper(regexp_replace({{ column }}, '[^0-9A-Za-z]', '', 'g')), '')
{%- endmacro %}

{# Enough of an account number to recognise it, too little to use it. #}
{% macro masked_account(column) -%}
    '****' || right({{ normalised_account(column) }}, 4)
{%- endmacro %}

{# The customer numbers and hub customer ids that one text names, separated by semicolons: distinct,
   in capitals, in their order, without blanks around them; a float's ".0" is cut. #}
{% macro named_customers(column) -%}
    list_distinct(
            list_filter(
                [
                    regexp_replace(upper(trim(part)), '^([0-9]+)\.0+$', '\1')
                    for part in string_split(coalesce({{ column }}, ''), ';')
                ],
                lambda one: one <> ''
            )
        )
{%- endmacro %}
