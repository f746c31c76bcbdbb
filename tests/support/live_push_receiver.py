"""A receiver in a process of its own, for pipelines that read what it keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "live push key"


@contextmanager
def receiving(directory: Path) -> Iterator[str]:
    """A receiver that keeps events in a directory; yields its URL."""
    command = [sys.executable, "-m", "crowdtwist_receiver", "--port", "0", "--max-seconds", "200"]
    with subprocess.Popen(
        [*command, "--directory", str(directory)],
        env={"CROWDTWIST_RECEIVER_API_KEY": KEY},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["live_url"]
        finally:
            process.terminate()
            assert process.wait(20) == 0
