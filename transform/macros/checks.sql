{# Raise an error, in one sentence, if a variable of the project has a value that it cannot have. #}
{% macro check_variables() %}
    {%- set point_value = var('point_value') -%}
    {%- if not (point_value is none or (crowdtwist.is_number(point_value) and point_value >= 0)) -%}
        {%- do crowdtwist.raise_variable(
            'point_value', 'a number of 0 or more, the money that one point is worth'
        ) -%}
    {%- endif -%}
    {%- set rate = var('expected_redemption_rate') -%}
    {%- if not (rate is none or (crowdtwist.is_number(rate) and 0 <= rate <= 1)) -%}
        {%- do crowdtwist.raise_variable('expected_redemption_rate', 'a number from 0 to 1') -%}
    {%- endif -%}
    {%- set days = var('activity_days') -%}
    {%- if not (days is integer and days is not boolean and days > 0) -%}
        {%- do crowdtwist.raise_variable('activity_days', 'a whole number of days above 0') -%}
    {%- endif -%}
    {%- set currency = var('currency') -%}
    {%- if not (currency is none or currency is string) -%}
        {%- do crowdtwist.raise_variable('currency', 'text, such as EUR') -%}
    {%- endif -%}
    {%- if var('timezone') not in modules.pytz.all_timezones -%}
        {%- do crowdtwist.raise_variable(
            'timezone', 'the name of a time zone, such as Europe/Paris'
        ) -%}
    {%- endif -%}
    {%- set start = var('start_date') -%}
    {%- if not (start is none or modules.re.match('\\d{4}-\\d\\d-\\d\\d', start | string)) -%}
        {%- do crowdtwist.raise_variable('start_date', 'a date, such as 2024-01-31') -%}
    {%- endif -%}
{% endmacro %}


{% macro is_number(value) %}
    {%- do return(value is number and value is not boolean) -%}
{% endmacro %}


{% macro raise_variable(name, expected) %}
    {%- do exceptions.raise_compiler_error(
        'The variable `' ~ name ~ '` must be ' ~ expected ~ ', but is ' ~ tojson(var(name))
        ~ ': correct it in `--vars`, under `vars` in dbt_project.yml, or, with Meltano, in '
        ~ '`DBT_' ~ (target.type | upper) ~ '_VARS`'
    ) -%}
{% endmacro %}


{# Raise an error, in one sentence, if no table of the tap is there. #}
{% macro check_sources() %}
    {%- if execute -%}
        {%- set found = [] -%}
        {%- for node in graph.sources.values() if node.package_name == 'crowdtwist' -%}
            {%- if crowdtwist.loaded_table(node.name) -%}
                {%- do found.append(node.name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not found -%}
            {%- do exceptions.raise_compiler_error(
                'The schema `' ~ var('crowdtwist_schema') ~ '` of the database `' ~ target.database
                ~ '` has no table of tap-crowdtwist: load one first, such as with `meltano run '
                ~ 'tap-crowdtwist target-' ~ target.type ~ '`, or name the right schema in the '
                ~ 'variable `crowdtwist_schema`'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
