{#
    Add the totals so far to the changes of each period: members, opening and closing.

    period: the column of the CTE `changes` with the day or the month.
#}
{% macro roll_forward(period) -%}
closings as (
    select
        changes.*,
        cast(sum(changes.joined) over (order by changes.{{ period }}) as bigint) as members,
        changes.earned + changes.deducted + changes.redeemed + changes.expired
        + changes.unexplained as movement,
        cast(
            sum(
                changes.earned + changes.deducted + changes.redeemed + changes.expired
                + changes.unexplained
            ) over (order by changes.{{ period }}) as bigint
        ) as closing
    from changes
)

select
    closings.{{ period }},
    closings.joined,
    closings.members,
    closings.active_members,
    closings.earning_members,
    closings.redeeming_members,
    closings.closing - closings.movement as opening,
    closings.earned,
    closings.deducted,
    closings.redeemed,
    closings.expired,
    closings.unexplained,
    closings.closing,
    {{ crowdtwist.safe_ratio('-closings.redeemed', 'closings.earned') }} as redemption_rate
from closings
{%- endmacro %}
