{# Raise an error, in one sentence, if a variable of the project has a value that it cannot have. #}
{% macro check_variables() %}
    {%- set point_value = var('point_value') -%}
    {%- if point_value is not none and not (crowdtwist.is_number(point_value) and point_value >= 0) -%}
        {{ exceptions.raise_compiler_error("`point_value` must be a number of 0 or more, not " ~ tojson(point_value)) }}
    {%- endif -%}
    {%- set rate = var('expected_redemption_rate') -%}
    {%- if rate is not none and not (crowdtwist.is_number(rate) and 0 <= rate <= 1) -%}
        {{ exceptions.raise_compiler_error("`expected_redemption_rate` must be a number from 0 to 1, not " ~ tojson(rate)) }}
    {%- endif -%}
{% endmacro %}

{% macro is_number(value) %}
    {%- do return(value is number and value is not boolean) -%}
{% endmacro %}

{% macro check_sources() %}
{% endmacro %}
