-- Both sources form one sequence of readings per member. A move is a change from one reading to the
-- next, so a move that both saw counts once: the second reading is no change. A reading without a
-- tier says nothing about it.
with

readings as (
    select
        snapshot.user_id,
        snapshot.dbt_valid_from as read_at,
        snapshot.tier,
        'snapshot' as source,
        '' as reading
    from {{ ref('members_snapshot') }} as snapshot
    where snapshot.tier <> 'none'
    union all
    select
        events.id as user_id,
        events.received_at as read_at,
        {{ crowdtwist.tier_title() }} as tier,
        'live_users' as source,
        events.event_id as reading
    from {{ ref('stg_crowdtwist__live_users') }} as events
    where {{ crowdtwist.tier_title() }} <> 'none'
),

changes as (
    select
        readings.user_id,
        readings.read_at,
        readings.tier,
        readings.source,
        lag(readings.tier) over (
            partition by readings.user_id
            order by
                readings.read_at,
                readings.source,
                {{ crowdtwist.bytewise('readings.reading') }}
        ) as previous_tier
    from readings
    inner join {{ ref('members') }} as members on readings.user_id = members.user_id
),

known_floors as (
    select
        members.tier,
        members.tier_floor as floor
    from {{ ref('members') }} as members
    union all
    -- A tier that nobody has is still the next one of somebody.
    select
        {{ crowdtwist.json_value('users.tier_info', ['next_level', 'title']) }} as tier,
        {{ crowdtwist.json_integer('users.tier_info', ['next_level', 'min_value']) }} as floor
    from {{ ref('stg_crowdtwist__users') }} as users
),

floors as (
    select
        known_floors.tier,
        max(known_floors.floor) as floor
    from known_floors
    group by known_floors.tier
)

select
    changes.user_id,
    changes.read_at as moved_at,
    {{ crowdtwist.local_day('changes.read_at') }} as day,
    changes.previous_tier as from_tier,
    changes.tier as to_tier,
    case
        when from_floors.floor < to_floors.floor then 'up'
        when from_floors.floor > to_floors.floor then 'down'
        else 'other'
    end as direction,
    changes.source
from changes
left join floors as from_floors on changes.previous_tier = from_floors.tier
left join floors as to_floors on changes.tier = to_floors.tier
where changes.previous_tier <> changes.tier
