"""Console script `crowdtwist-report`: reports if its extra is not installed."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from crowdtwist_report.cli import main as run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        sys.stderr.write(
            "crowdtwist-report: needs what the extra `report` installs: "
            "pip install 'tap-crowdtwist[report]'\n"
        )
        return 1
    return run()
