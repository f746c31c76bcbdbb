select
    {{ crowdtwist.month_of('moves.day') }} as month,
    moves.from_tier,
    moves.to_tier,
    moves.direction,
    count(*) as moves,
    count(distinct moves.user_id) as members
from {{ ref('tier_moves') }} as moves
group by
    {{ crowdtwist.month_of('moves.day') }},
    moves.from_tier,
    moves.to_tier,
    moves.direction
