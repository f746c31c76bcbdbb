{# [[[cog from scripts import dbt; cog.out(dbt.staging('user_activities')) ]]] #}
{{ crowdtwist.staging(
    'user_activities',
    {
        'user_id': 'bigint',
        'id': 'bigint',
        'title': 'text',
        'description': 'text',
        'num_points': 'bigint',
        'image': 'text',
        'category_id': 'bigint',
        'type_id': 'bigint',
        'date_start': 'timestamp',
        'date_end': 'timestamp',
        'min_tier_id': 'bigint',
        'show_as_locked_by_tier': 'boolean',
        'extra_data': 'json',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
