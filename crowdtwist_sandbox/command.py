"""The command `crowdtwist-sandbox`, which says what it lacks if its extra is not installed."""

from __future__ import annotations

import sys

_OF_THE_EXTRA = frozenset({"httptools", "starlette", "uvicorn", "uvloop"})


def main() -> int:
    """Run the command; returns its exit code."""
    try:
        from crowdtwist_sandbox.cli import main as run  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            "crowdtwist-sandbox: needs what the extra `sandbox` installs: "
            "pip install 'tap-crowdtwist[sandbox]'\n"
        )
        return 1
    return run()
