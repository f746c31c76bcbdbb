select
    daily.user_id,
    daily.day,
    daily.opening,
    daily.closing
from {{ ref('points_daily') }} as daily
where
    daily.closing
    <> daily.opening + daily.earned + daily.deducted + daily.redeemed + daily.expired
    + daily.unexplained
