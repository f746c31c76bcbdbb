"""The error of the report."""

from __future__ import annotations


class ReportError(Exception):
    """No report can be made. The message says why, and what to run or set."""
