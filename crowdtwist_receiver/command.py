"""The command `crowdtwist-receiver`, which says what it lacks if its extra is not installed."""

from __future__ import annotations

import sys

_OF_THE_EXTRA = frozenset({"httptools", "starlette", "uvicorn", "uvloop"})


def main() -> int:
    """Run the command; returns its exit code."""
    try:
        from crowdtwist_receiver.cli import main as run  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            "crowdtwist-receiver: needs what the extra `receiver` installs: "
            "pip install 'tap-crowdtwist[receiver]'\n"
        )
        return 1
    return run()
