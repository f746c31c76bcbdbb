{#
    Return a value inside a column of JSON text as text, or null if it is missing.

    path: the names that lead to it.
#}
{% macro json_value(column, path) -%}
    {{ adapter.dispatch('json_value', 'crowdtwist')(column, path) }}
{%- endmacro %}

{% macro default__json_value(column, path) -%}
    json_extract_string({{ column }}, '$."{{ path | join('"."') }}"')
{%- endmacro %}

{% macro postgres__json_value(column, path) -%}
    cast({{ column }} as jsonb) #>> '{ {{- path | join(',') -}} }'
{%- endmacro %}


{# Return the tier of a row of stg_crowdtwist__users. #}
{% macro tier_title() -%}
    coalesce({{ crowdtwist.json_value('tier_info', ['current_level', 'title']) }}, fan_level, 'none')
{%- endmacro %}


{# Return the date of a timestamp in the variable `timezone`. #}
{% macro local_day(timestamp) -%}
    cast({{ timestamp }} at time zone 'UTC' at time zone '{{ var("timezone") }}' as date)
{%- endmacro %}


{# Return the first day of the month of a date. #}
{% macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}


{#
    Divide two numbers, to six decimal places; null if the second is zero or null.

    Databases divide and round decimals differently. Doubles and `floor` are the same everywhere.
#}
{% macro safe_ratio(dividend, divisor) -%}
    cast(
        cast(
            floor(
                cast({{ dividend }} as double precision)
                / nullif(cast({{ divisor }} as double precision), 0) * 1000000 + 0.5
            ) as numeric(18, 0)
        ) * cast(0.000001 as numeric(7, 6)) as numeric(18, 6)
    )
{%- endmacro %}
