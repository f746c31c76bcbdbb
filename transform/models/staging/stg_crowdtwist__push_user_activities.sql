{# [[[cog from scripts import dbt; cog.out(dbt.staging('push_user_activities')) ]]] #}
{{ crowdtwist.staging(
    'push_user_activities',
    {
        'user_activity_id': 'bigint',
        'id': 'bigint',
        'activity_id': 'bigint',
        'activity_name': 'text',
        'num_points': 'bigint',
        'notes': 'text',
        'third_party_id': 'text',
        'email_address': 'text',
        'mobile_phone_number': 'text',
        'date_created': 'timestamp',
        'file_name': 'text',
        'file_line': 'bigint',
        'content_date': 'date',
        'additional_properties': 'json',
    },
    member_id='id',
) }}
{# [[[end]]] #}
