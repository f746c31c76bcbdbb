"""How files are spoken of: by name, never by what stands before it or what they hold."""

from __future__ import annotations

import csv
import re

from tap_crowdtwist.errors import TapError

_CREDENTIALS = re.compile(r"(://)(?:(?!://).)*@", re.DOTALL)
"""User and password of each URL in a chain; a password may hold what should have been encoded."""

_EXTRAS = {"paramiko": "sftp", "s3fs": "s3", "gcsfs": "gcs"}
"""By which part of an import error an extra is known."""


def display_name(path: str) -> str:
    """Name a file by the end of its path: what stands before may hold credentials, as URLs do."""
    return repr(base_name(_anonymous(path)).rpartition("@")[2])


def redact_url(path: str) -> str:
    """Name a folder, glob or URL whole, but for what a URL may hold of credentials."""
    return repr(without_query(_anonymous(path)))


def _anonymous(path: str) -> str:
    return _CREDENTIALS.sub(r"\1", path)


def base_name(path: str) -> str:
    """Give the last part of a path or URL."""
    return without_query(path).rstrip("/").rpartition("/")[2]


def without_query(path: str) -> str:
    """Give a path or URL without its query."""
    return path.partition("?")[0] if "://" in path else path


def describe_error(error: Exception) -> str:
    """Say why a file cannot be read, without its path and without what it holds."""
    if isinstance(error, TapError):
        return str(error)
    if isinstance(error, OSError):
        silence = "there was no answer in time" if isinstance(error, TimeoutError) else None
        return silence or error.strerror or type(error).__name__
    if isinstance(error, ImportError):
        if "aiohttp" in str(error):
            return (
                "http and https URLs need aiohttp: pip install aiohttp; or give a copy of the file"
            )
        extra = next((name for part, name in _EXTRAS.items() if part in str(error)), None)
        needed = f"what the extra `{extra}` installs: pip install 'tap-crowdtwist[{extra}]'"
        return f"it needs {needed}" if extra else str(error)
    if isinstance(error, ValueError) and "rotocol" in str(error):
        return "its protocol is not one that fsspec knows"
    return str(error) if isinstance(error, csv.Error) else type(error).__name__
