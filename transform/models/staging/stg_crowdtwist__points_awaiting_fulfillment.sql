{# [[[cog from scripts import dbt; cog.out(dbt.staging('points_awaiting_fulfillment')) ]]] #}
{{ crowdtwist.staging(
    'points_awaiting_fulfillment',
    {
        'user_id': 'bigint',
        'total_points_awaiting_fulfillment': 'bigint',
        'bonus_points_awaiting_fulfillment': 'bigint',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
