"""Console script `crowdtwist-receiver`: reports if its extra is not installed."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from crowdtwist_receiver.cli import main as run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        sys.stderr.write(
            "crowdtwist-receiver: needs what the extra `receiver` installs: "
            "pip install 'tap-crowdtwist[receiver]'\n"
        )
        return 1
    return run()
