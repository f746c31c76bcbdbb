{#
    Find values of a column that no row of another model has.

    It passes if the other model has no rows, since then its stream was not loaded.
#}
{% test finds_row(model, column_name, to, field) %}
select
    child.{{ column_name }} as missing_value,
    count(*) as occurrences
from {{ model }} as child
left join {{ to }} as parent on child.{{ column_name }} = parent.{{ field }}
where
    child.{{ column_name }} is not null
    and parent.{{ field }} is null
    and exists (select 1 from {{ to }})
group by child.{{ column_name }}
{% endtest %}
