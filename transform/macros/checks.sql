{# Raise an error, in one sentence, if a variable of the project has a value that it cannot have. #}
{% macro check_variables() %}
    {%- set point_value = var('point_value') -%}
    {%- if not (point_value is none or (crowdtwist.is_number(point_value) and 0 <= point_value <= 1000000)) -%}
        {%- do crowdtwist.raise_variable(
            'point_value', 'a number from 0 to 1000000, the money that one point is worth'
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
    {%- if not (start is none or modules.re.match('\\d{4}-\\d\\d-\\d\\d($|T[0-9:.Z+-]*$)', start | string)) -%}
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


{#
    Raise an error, in one sentence, if what the models read was not loaded.

    Nothing is checked if none of them is selected: a project that has this one as a package may
    build its own models alone.
#}
{% macro check_sources() %}
    {%- set packages = [] -%}
    {%- for resource in selected_resources -%}
        {%- do packages.append(resource.split('.')[1]) -%}
    {%- endfor -%}
    {%- if execute and 'crowdtwist' in packages -%}
        {%- set users = crowdtwist.loaded_table('users') -%}
        {%- set names = [] -%}
        {%- if users -%}
            {%- set names = adapter.get_columns_in_relation(users) | map(attribute='name') | list -%}
        {%- endif -%}
        {%- if not users -%}
            {%- do exceptions.raise_compiler_error(
                'The schema `' ~ var('crowdtwist_schema') ~ '` of the database `' ~ target.database
                ~ '` has no table `users`: select this stream and load it, such as with `meltano run '
                ~ 'tap-crowdtwist target-' ~ target.type ~ '`, or name the right schema in the '
                ~ 'variable `crowdtwist_schema`'
            ) -%}
        {%- elif '_sdc_extracted_at' not in names -%}
            {%- do exceptions.raise_compiler_error(
                'The table `users` lacks the column `_sdc_extracted_at`: turn on the metadata columns '
                ~ 'of the target (`add_record_metadata` or `add_metadata_columns`), and load again'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
