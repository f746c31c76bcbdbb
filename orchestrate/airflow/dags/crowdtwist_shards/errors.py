"""What can be wrong."""

from __future__ import annotations


class ShardError(Exception):
    """Something that a person has to know; the message is a sentence."""
