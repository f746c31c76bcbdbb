{#
    Return the part of some points that will be redeemed at a rate.

    DuckDB gives a product the wider type of its factors, and 18 digits are soon too few.
#}
{% macro expected_redeemed(points, rate) -%}
    cast(round(cast({{ points }} as numeric(38, 0)) * {{ rate }}, 2) as numeric(18, 2))
{%- endmacro %}


{# Return the money value of the part of some points that will be redeemed at a rate. #}
{% macro amount(points, rate, point_value) -%}
    cast(
        round(cast({{ points }} as numeric(38, 0)) * {{ rate }} * {{ point_value }}, 2)
        as numeric(18, 2)
    )
{%- endmacro %}
