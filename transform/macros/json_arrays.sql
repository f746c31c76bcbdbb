{#
    Expand a column that holds a JSON array as text: a row per element, each as JSON text.

    A value that is no array has no elements, so its row is left out. For use in a `select` list.
#}
{% macro json_elements(column) -%}
    {{ adapter.dispatch('json_elements', 'crowdtwist')(column) }}
{%- endmacro %}

{% macro default__json_elements(column) -%}
    cast(unnest(json_extract({{ column }}, '$[*]')) as text)
{%- endmacro %}

{% macro postgres__json_elements(column) -%}
    cast(
        jsonb_array_elements(
            case
                when jsonb_typeof(cast({{ column }} as jsonb)) = 'array'
                    then cast({{ column }} as jsonb)
                else cast('[]' as jsonb)
            end
        ) as text
    )
{%- endmacro %}


{# Return a whole number inside a column of JSON text, or null if there is none. #}
{% macro json_integer(column, path) -%}
    {%- set value = crowdtwist.json_value(column, path) -%}
    case when {{ value }} ~ '^-?[0-9]{1,18}$' then cast({{ value }} as bigint) end
{%- endmacro %}
