"""The part of the summary about updated profiles: how many were, and whether they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.timestamps import dump_timestamp

if TYPE_CHECKING:
    import logging

    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.sync.updated_members import UpdatedMembers


def totals(run: SyncRun) -> dict[str, Any]:
    """Return what the JSON summary has about a sweep of updated members; else nothing."""
    if run.updated is None:
        return {}
    return {
        "updated_members": run.updated.count,
        "swept_all_at": dump_timestamp(run.updated.swept_all_at),
    }


def report(run: SyncRun, logger: logging.Logger) -> None:
    """Log how many members were updated, or whether the profiles tell who was."""
    if run.updated is not None:
        _report_updated(run, run.updated, logger)
        return
    checked = sum(stats.checked for stats in run.all_stats.values())
    contradicted = sum(stats.contradicted for stats in run.all_stats.values())
    if contradicted:
        logger.info(
            "Of %s profiles, %s are older than the newest row of their member, so "
            "`sweep_members` updated cannot be used",
            f"{checked:,}",
            f"{contradicted:,}",
        )
    elif checked:
        logger.info(
            "None of %s profiles is older than the newest row of its member, as `sweep_members` "
            "updated requires",
            f"{checked:,}",
        )


def _report_updated(run: SyncRun, updated: UpdatedMembers, logger: logging.Logger) -> None:
    if updated.is_complete:
        logger.info(
            "%s of %s members were updated since the last sweep, or are new",
            f"{updated.count:,}",
            f"{len(run.roster):,}",
        )
    age = run.now() - updated.swept_all_at
    if age > run.settings.sweep_all_age:
        logger.warning(
            "The last sweep of all members began %d days ago, more than `sweep_all_days` allows; "
            "run once with `sweep_members` all, which reads what no profile shows",
            age.days,
        )
