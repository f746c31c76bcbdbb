{# Return a variable that is a number or null as a decimal. #}
{% macro number_variable(name) -%}
    {%- set value = var(name) -%}
    cast({{ 'null' if value is none else value }} as numeric(18, 6))
{%- endmacro %}


{# Return a variable that is text or null. #}
{% macro text_variable(name) -%}
    {%- set value = var(name) -%}
    {{ 'null' if value is none else dbt.string_literal(dbt.escape_single_quotes(value)) }}
{%- endmacro %}
