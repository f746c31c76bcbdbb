{# [[[cog from scripts import dbt; cog.out(dbt.staging('live_segments')) ]]] #}
{{ crowdtwist.staging(
    'live_segments',
    {
        'event_id': 'text',
        'received_at': 'timestamp',
        'user_id': 'bigint',
        'email_address': 'text',
        'third_party_id': 'text',
        'type': 'text',
        'name': 'text',
        'subscription_id': 'bigint',
        'event': 'text',
        'triggered_by': 'text',
        'date_occurred': 'timestamp',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
