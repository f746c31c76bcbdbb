{# [[[cog from scripts import dbt; cog.out(dbt.staging('push_points_expiration')) ]]] #}
{{ crowdtwist.staging(
    'push_points_expiration',
    {
        'file_name': 'text',
        'file_line': 'bigint',
        'content_date': 'date',
        'user_id': 'bigint',
        'email_address': 'text',
        'third_party_id': 'text',
        'message_date': 'timestamp',
        'inactivity_last_qualified_date': 'timestamp',
        'inactivity_exp_date': 'timestamp',
        'inactivity_points_exp': 'bigint',
        'redemption_periods': 'json',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
