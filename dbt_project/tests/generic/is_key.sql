{# The columns together identify a row: none is null and no combination repeats. One node, one scan
   for what would be three generic tests. #}
{% test is_key(model, columns) %}
select
    {% for column in columns %}{{ column }},
    {% endfor %}count(*) as found
from {{ model }}
group by all
having
    count(*) > 1
    {% for column in columns %}or {{ column }} is null
    {% endfor %}
{% endtest %}
