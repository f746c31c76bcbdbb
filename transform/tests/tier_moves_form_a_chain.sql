-- A member moves from the tier that the move before led to. A move that counts twice does not.
with

moves as (
    select
        tier_moves.user_id,
        tier_moves.moved_at,
        tier_moves.from_tier,
        lag(tier_moves.to_tier) over (
            partition by tier_moves.user_id order by tier_moves.moved_at
        ) as previous_tier
    from {{ ref('tier_moves') }} as tier_moves
)

select
    moves.user_id,
    moves.moved_at
from moves
where moves.from_tier <> moves.previous_tier
