{# Find rows whose key is null or not unique. The key may span columns. #}
{% test unique_key(model, columns) %}
{%- set key = columns | join(', ') %}
select
    {{ key }},
    count(*) as occurrences
from {{ model }}
group by {{ key }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null
{% endtest %}
