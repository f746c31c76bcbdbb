"""Names of files and their errors for messages, without credentials and file content."""

from __future__ import annotations

import csv
import re

from tap_crowdtwist.errors import TapError

CHECK_ACCESS = "check that it exists and can be read"
SEND_AGAIN = "fetch the file again, or have it sent again"
"""Advice for files that cannot be read, and for files that are damaged."""

_CREDENTIALS = re.compile(r"(://)(?:(?!://).)*@", re.DOTALL)
"""User and password of each URL in a chain.

It ends at the last `@` of a URL, since a password may contain characters that should be encoded.
"""

_EXTRAS = {"paramiko": "sftp", "s3fs": "s3", "gcsfs": "gcs"}
"""Extra of this package by the module whose import failed."""


def display_name(path: str) -> str:
    """Return the last part of a path, quoted: what precedes it in a URL may hold credentials."""
    return repr(base_name(_without_credentials(path)).rpartition("@")[2])


def redact_url(path: str) -> str:
    """Return a whole folder, glob or URL, quoted, without the credentials that a URL may hold."""
    return repr(without_query(_without_credentials(path)))


def _without_credentials(path: str) -> str:
    return _CREDENTIALS.sub(r"\1", path)


def base_name(path: str) -> str:
    """Return the last part of a path or URL."""
    return without_query(path).rstrip("/").rpartition("/")[2]


def without_query(path: str) -> str:
    """Return a path or URL without its query. A local path may contain a question mark."""
    return path.partition("?")[0] if "://" in path else path


def is_system_error(error: Exception) -> bool:
    """Return whether an error comes from the file system rather than from the file's content."""
    return isinstance(error, OSError) and (bool(error.strerror) or isinstance(error, TimeoutError))


def describe_error(error: Exception) -> str:
    """Return why a file cannot be read, without its path and without its content."""
    if isinstance(error, TapError):
        return str(error)
    if isinstance(error, OSError):
        silence = "no answer in time" if isinstance(error, TimeoutError) else None
        return silence or error.strerror or type(error).__name__
    if isinstance(error, ImportError):
        return _describe_import_error(error)
    # fsspec raises a ValueError with "Protocol not known", whatever the case of its first letter.
    if isinstance(error, ValueError) and "rotocol" in str(error):
        return "fsspec does not support its protocol"
    # The messages of other errors may quote the path or the content of the file.
    return str(error) if isinstance(error, csv.Error) else type(error).__name__


def _describe_import_error(error: ImportError) -> str:
    if "aiohttp" in str(error):
        return "http and https URLs need aiohttp: pip install aiohttp; or use a copy of the file"
    extra = next((name for part, name in _EXTRAS.items() if part in str(error)), None)
    needed = f"what the extra `{extra}` installs: pip install 'tap-crowdtwist[{extra}]'"
    return f"it needs {needed}" if extra else str(error)
