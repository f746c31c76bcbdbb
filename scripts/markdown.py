"""The layout of generated Markdown."""

from __future__ import annotations

import textwrap

_WIDTH = 104


def fill(text: str, indent: str = "") -> str:
    """Wrap a paragraph at the width of the pages; `indent` precedes each line but the first."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
