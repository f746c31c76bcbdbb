{# [[[cog from scripts import dbt; cog.out(dbt.staging('user_badges')) ]]] #}
{{ crowdtwist.staging(
    'user_badges',
    {
        'user_id': 'bigint',
        'id': 'bigint',
        'name': 'text',
        'title': 'text',
        'date_start': 'timestamp',
        'date_end': 'timestamp',
        'display_date_start': 'timestamp',
        'display_date_end': 'timestamp',
        'is_enabled': 'boolean',
        'user_counts': 'json',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
