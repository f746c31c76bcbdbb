"""The command `crowdtwist-sandbox`, with an error that names the extra if that is missing."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from crowdtwist_sandbox.cli import main as run  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError:
        sys.stderr.write(
            "crowdtwist-sandbox: needs what the extra `sandbox` installs: "
            "pip install 'tap-crowdtwist[sandbox]'\n"
        )
        return 1
    return run()
