{#
    Select the columns of a stream, with the same types on every database.

    stream: the name of the stream, and of its table.
    columns: the type of each column; `json` is text that holds JSON.
    member_id: the column with the id of the member that the row is about, if it is about one.

    A column that the table lacks is null. If there is no table, there are no rows. Rows of deleted
    members are left out.
#}
{% macro staging(stream, columns, member_id=none) %}
    {%- set table = crowdtwist.loaded_table(stream) -%}
    {%- set loaded = {} -%}
    {%- if table -%}
        {%- for column in adapter.get_columns_in_relation(table) -%}
            {%- do loaded.update({column.name | lower: column}) -%}
        {%- endfor -%}
    {%- endif -%}
select
    {%- for name, type in columns.items() %}
    {{ crowdtwist.staged_value(loaded.get(name), type) }} as {{ adapter.quote(name) }},
    {%- endfor %}
    {{ crowdtwist.staged_value(loaded.get('_sdc_extracted_at'), 'timestamp') }} as extracted_at,
    {{ crowdtwist.staged_value(loaded.get('_sdc_deleted_at'), 'timestamp') }} as deleted_at
    {%- if table %}
from {{ table }} as loaded
        {%- if member_id and loaded.get(member_id) %}
where
    not exists (
        select 1
        from ({{ crowdtwist.deleted_members() }}) as deleted
        where deleted.user_id = loaded.{{ adapter.quote(member_id) }}
    )
        {%- endif %}
    {%- else %}
where false
    {%- endif %}
{% endmacro %}


{# Return the table of a stream, or none if the stream was never loaded. #}
{% macro loaded_table(stream) %}
    {%- set table = source('crowdtwist', stream) -%}
    {%- if execute -%}
        {%- do return(adapter.get_relation(table.database, table.schema, table.identifier)) -%}
    {%- endif -%}
{% endmacro %}


{# Select the ids of the members that the loyalty program has deleted. #}
{% macro deleted_members() %}
    {%- set table = crowdtwist.loaded_table('users') -%}
    {%- set names = [] -%}
    {%- if table -%}
        {%- set names = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- if '_sdc_deleted_at' in names -%}
select cast(id as bigint) as user_id from {{ table }} where _sdc_deleted_at is not null
    {%- else -%}
select cast(null as bigint) as user_id where false
    {%- endif -%}
{% endmacro %}


{% macro staged_value(column, type) %}
    {%- set value = 'loaded.' ~ adapter.quote(column.name) if column else 'null' -%}
    {%- if column and type == 'json' -%}
nullif(cast({{ crowdtwist.json_of(value) }} as text), 'null')
    {%- elif column and type == 'timestamp' and 'with time zone' in column.dtype | lower -%}
cast({{ value }} at time zone 'UTC' as timestamp)
    {%- else -%}
cast({{ value }} as {{ 'text' if type == 'json' else type }})
    {%- endif -%}
{% endmacro %}


{# Return a column with an object or a list as a value that becomes JSON if cast to text. #}
{% macro json_of(value) %}{{ adapter.dispatch('json_of', 'crowdtwist')(value) }}{% endmacro %}

{% macro default__json_of(value) %}{{ value }}{% endmacro %}

{# target-postgres writes lists to arrays, whose text is no JSON. #}
{% macro postgres__json_of(value) %}to_jsonb({{ value }}){% endmacro %}


{# Select when a table was last loaded; null if it was never loaded, which makes it stale. #}
{% macro loaded_at(stream) %}
    {%- set table = crowdtwist.loaded_table(stream) -%}
select {{ 'max(_sdc_extracted_at)' if table else 'null' }} as loaded_at
    {%- if table %} from {{ table }}{% endif -%}
{% endmacro %}
