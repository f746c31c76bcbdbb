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


def part(*numbers: int) -> str:
    """Render parts of the demo's output as one fenced block.

    Args:
        numbers: which parts, from 0. Empty lines separate them.
    """
    _command, _, output = text().partition("\n")
    parts = output.rstrip().split("\n\n")
    shown = "\n\n".join(parts[number] for number in numbers)
    return f"```text\n{shown}\n```\n"
