{# Order text by its bytes, which is the same on every database and in every locale. #}
{% macro bytewise(column) -%}
    {{ column }} collate "C"
{%- endmacro %}
