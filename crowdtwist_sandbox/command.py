"""The command `crowdtwist-sandbox`, with an error that names the extra if that is missing."""

from __future__ import annotations

import sys

_EXTRA_MODULES = frozenset({"httptools", "starlette", "uvicorn", "uvloop"})


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from crowdtwist_sandbox.cli import main as run  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA_MODULES:
            raise
        sys.stderr.write(
            "crowdtwist-sandbox: needs what the extra `sandbox` installs: "
            "pip install 'tap-crowdtwist[sandbox]'\n"
        )
        return 1
    return run()
