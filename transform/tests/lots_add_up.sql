-- The points of a lot were redeemed, deducted, expired, left unexplained or are still there.
select
    lots.user_id,
    lots.issue_month
from {{ ref('points_lots') }} as lots
where
    lots.issued <> lots.redeemed + lots.deducted + lots.expired + lots.unexplained + lots.remaining
    or least(
        lots.redeemed, lots.deducted, lots.expired, lots.unexplained, lots.remaining
    ) < 0
