"""How files are spoken of: by name, never by what stands before it or what they hold."""

from __future__ import annotations

import csv


def named(path: str) -> str:
    """Name a file by the end of its path: what stands before may hold credentials, as URLs do."""
    return repr(base(path).rpartition("@")[2])


def base(path: str) -> str:
    """Give the last part of a path or URL."""
    return plain(path).rstrip("/").rpartition("/")[2]


def plain(path: str) -> str:
    """Give a path or URL without its query."""
    return path.partition("?")[0] if "://" in path else path


def reason(error: Exception) -> str:
    """Say why a file cannot be read, without its path and without what it holds."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    told = isinstance(error, (ImportError, csv.Error))
    return str(error) if told else type(error).__name__
