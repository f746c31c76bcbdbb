{# [[[cog from scripts import dbt; cog.out(dbt.staging('batch_activity_credits')) ]]] #}
{{ crowdtwist.staging(
    'batch_activity_credits',
    {
        'file_name': 'text',
        'file_line': 'bigint',
        'sent_at': 'timestamp',
        'email_address': 'text',
        'user_id': 'bigint',
        'third_party_id': 'text',
        'username': 'text',
        'activity_id': 'bigint',
        'num_points': 'bigint',
        'activity_date': 'timestamp',
        'fault': 'text',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
