{# [[[cog from scripts import dbt; cog.out(dbt.staging('badges')) ]]] #}
{{ crowdtwist.staging(
    'badges',
    {
        'id': 'bigint',
        'name': 'text',
        'title': 'text',
        'date_start': 'timestamp',
        'date_end': 'timestamp',
        'display_date_start': 'timestamp',
        'display_date_end': 'timestamp',
        'is_enabled': 'boolean',
        'additional_properties': 'json',
    },
) }}
{# [[[end]]] #}
