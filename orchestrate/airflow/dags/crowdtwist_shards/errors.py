"""The error of this package."""

from __future__ import annotations


class ShardError(Exception):
    """A problem that only a person can fix; the message is one sentence for the log."""
