"""The URLs of the two hosts of a program, from settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from tap_crowdtwist.api.endpoints import Host, base_url
from tap_crowdtwist.api.transport import LOOPBACK
from tap_crowdtwist.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS = {Host.MAIN: "api_url", Host.POS: "pos_url"}

_API_VERSION = re.compile(r"/v\d")
_PLAIN_URL = re.compile(r"https?://(?:(?![?#@\\])[!-~])+", re.IGNORECASE)
"""No blanks, characters beyond ASCII, backslash, and marks of a query, fragment or user."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


def text_of(config: Mapping[str, Any], name: str) -> str:
    """Return a setting without surrounding blanks; "" if it is not set."""
    return str(config[name] or "").strip()


def url_of(config: Mapping[str, Any], host: Host) -> str:
    """Return the URL of a host, up to the version of its resources.

    Raises:
        SettingError: it is not a URL to which a key may be sent, or `client_id` is missing.
    """
    name = _SETTINGS[host]
    url = text_of(config, name)
    if not url:
        return base_url(host, config["environment"], _client_id(config, name))
    parts = _split_url(name, url)
    if _API_VERSION.search(parts.path):
        raise SettingError(name, "must end before the version, such as the `/v2`, of a resource")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingError(
            name, "must begin with https://, since the key would be sent unencrypted"
        )
    return url.rstrip("/")


def _client_id(config: Mapping[str, Any], url_name: str) -> str:
    client_id = text_of(config, "client_id")
    if not client_id:
        raise SettingError(
            "client_id",
            f"is missing; set it, or both `api_url` and `pos_url` (`{url_name}` is not set)",
        )
    if not _CLIENT_ID.fullmatch(client_id):
        raise SettingError("client_id", "must be the client number alone, such as 512")
    return client_id


def _split_url(name: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_plain = _PLAIN_URL.fullmatch(url) and parts.hostname and parts.port != 0
    except ValueError:  # by `port`, or by `urlsplit`
        is_plain = False
    if not is_plain:
        raise SettingError(name, "must be a plain URL such as https://api512.crowdtwist.com")
    return parts
