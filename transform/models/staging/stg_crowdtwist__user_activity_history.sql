{# [[[cog from scripts import dbt; cog.out(dbt.staging('user_activity_history')) ]]] #}
{{ crowdtwist.staging(
    'user_activity_history',
    {
        'id': 'text',
        'user_id': 'bigint',
        'user_activity_id': 'bigint',
        'activity_id': 'bigint',
        'activity_name': 'text',
        'name': 'text',
        'num_points': 'bigint',
        'notes': 'text',
        'date_created': 'timestamp',
        'date_awarded': 'timestamp',
        'activity_date': 'timestamp',
        'show_as_locked_by_tier': 'boolean',
        'min_tier_id': 'bigint',
        'extra_data': 'json',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
