"""Names of files and their errors for messages, without credentials and file content."""

from __future__ import annotations

import csv
import re
from functools import singledispatch

from tap_crowdtwist.errors import TapError

CHECK_ACCESS = "check that it exists and can be read"
SEND_AGAIN = "fetch the file again, or have it sent again"
"""Advice for files that cannot be read, and for files that are damaged."""

_CREDENTIALS = re.compile(r"(://)(?:(?!://).)*@", re.DOTALL)
"""User and password of each URL in a chain.

It ends at the last `@` of a URL, since a password may contain characters that should be encoded.
"""

_NEEDED_BY_URLS = {
    "aiohttp": "http and https URLs need aiohttp: pip install aiohttp; or use a copy of the file",
    **{
        part: f"it needs what the extra `{extra}` installs: pip install 'tap-crowdtwist[{extra}]'"
        for part, extra in {"paramiko": "sftp", "s3fs": "s3", "gcsfs": "gcs"}.items()
    },
}
"""Packages to install, by a part of the message of a failed import."""


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
    return isinstance(error, TimeoutError) or bool(getattr(error, "strerror", None))


def access_problem(verb: str, error: Exception) -> str:
    """Return the rest of a sentence about a file that could not be opened or read, with advice.

    An error of the tap itself says what to do already.
    """
    advice = "" if isinstance(error, TapError) else f"; {CHECK_ACCESS}"
    return f"cannot be {verb}: {describe_error(error)}{advice}"


@singledispatch
def describe_error(error: Exception) -> str:
    """Return why a file cannot be read, without its path and without its content.

    The messages of most errors may quote the path or the content of the file.
    """
    return type(error).__name__


@describe_error.register(TapError)
@describe_error.register(csv.Error)
def _(error: Exception) -> str:
    return str(error)


@describe_error.register
def _(error: OSError) -> str:
    return error.strerror or type(error).__name__


@describe_error.register
def _(_: TimeoutError) -> str:
    return "no answer in time"


@describe_error.register
def _(error: ImportError) -> str:
    return next((text for part, text in _NEEDED_BY_URLS.items() if part in str(error)), str(error))


@describe_error.register
def _(error: ValueError) -> str:
    # fsspec raises it with "Protocol not known", whatever the case of its first letter.
    is_of_protocol = "rotocol" in str(error)
    return "fsspec does not support its protocol" if is_of_protocol else type(error).__name__
