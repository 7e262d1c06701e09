{# Canonical text of an amount, as ingestion/common/money.py writes it: no exponent, no trailing
   zeros, "0" for nothing. Six decimals are always printed before the zeros are cut. #}
{% macro money_text(column) -%}
    rtrim(rtrim(cast(cast({{ column }} as decimal(28, 6)) as varchar), '0'), '.')
{%- endmacro %}

{# ISO date text, whatever the session's settings. #}
{% macro date_text(column) -%}
    strftime({{ column }}, '%Y-%m-%d')
{%- endmacro %}

{# true / false as the diff compares them; null stays null. #}
{% macro bool_text(column) -%}
    cast({{ column }} as varchar)
{%- endmacro %}

{# Half to even at the currency's minor unit (ISO 4217; the full list stands in
   ingestion/common/money.py): the only rounding in SQL. Exact decimals in, exact decimals out.
   Each branch is cast: a CASE over different scales would keep the smallest one. #}
{% macro rounded_money(amount, currency_code) -%}
    case
            when {{ currency_code }} in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND')
                then cast(round_even({{ amount }}, 3) as decimal(28, 6))
            when {{ currency_code }} in (
                'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX',
                'VND', 'VUV', 'XAF', 'XOF', 'XPF'
            )
                then cast(round_even({{ amount }}, 0) as decimal(28, 6))
            else cast(round_even({{ amount }}, 2) as decimal(28, 6))
        end
{%- endmacro %}

{# Debits positive, credits negative. The vendor's view signs its amounts; extracts and older views
   give the bare amount beside H (credit) or S (debit): the code decides, the sign only without it. #}
{% macro signed_amount(column, code='items.debit_credit_code') -%}
    case {{ code }}
            when 'H' then -abs({{ column }})
            when 'S' then abs({{ column }})
            else {{ column }}
        end
{%- endmacro %}
