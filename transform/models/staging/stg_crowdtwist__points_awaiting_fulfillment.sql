{# [[[cog from scripts import dbt_models; cog.out(dbt_models.staging('points_awaiting_fulfillment')) ]]] #}
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
