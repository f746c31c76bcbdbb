"""The recording of `make demo` on the site, as text for the page that shows it.

`make recording` makes the recording; `make docs` then puts its text into the page.
"""

from __future__ import annotations

import json
from pathlib import Path

RECORDING = Path(__file__).resolve().parents[1] / "docs" / "_static" / "demo.cast"


def text() -> str:
    """Return everything that the recording shows."""
    _header, *events = map(json.loads, RECORDING.read_text(encoding="utf-8").splitlines())
    return "".join(data for _seconds, _kind, data in events).replace("\r\n", "\n")


def part(number: int) -> str:
    """Render a part of the demo's output as a fenced block; empty lines separate the parts."""
    _command, _, output = text().partition("\n")
    parts = output.rstrip().split("\n\n")
    return f"```text\n{parts[number]}\n```\n"
