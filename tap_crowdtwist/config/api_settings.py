"""Settings that say how to reach the API and how to authenticate."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HMAC_TIMESTAMPS
from tap_crowdtwist.api.endpoints import ENVIRONMENTS

_AUTH_METHODS = ("query", "header", "hmac")

API_SETTINGS = (
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="Client API key. Create it in Control Center → Settings → API Keys; user HMAC "
        "keys and partner API keys do not work. If keys have permissions, it must be allowed to "
        "read the streams that you select.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        title="Client ID",
        description="Your client number, as in the host name `api512.crowdtwist.com`.",
    ),
    th.Property(
        "environment",
        th.StringType,
        default="production",
        allowed_values=list(ENVIRONMENTS),
        title="Environment",
        description="CrowdTwist environment to read from.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Base URL of the main host, instead of the one built from `environment` and "
        "`client_id`. Must be https, or http on loopback.",
    ),
    th.Property(
        "pos_url",
        th.StringType,
        title="POS URL",
        description="Base URL of the point-of-sale host, which serves purchases and points "
        "awaiting fulfillment. Must be https, or http on loopback.",
    ),
    th.Property(
        "auth_method",
        th.StringType,
        default="query",
        allowed_values=list(_AUTH_METHODS),
        title="Authentication",
        description="How requests to the main host are authenticated: with the key in the query "
        "(as documented), with the key in a header, or with an HMAC signature. The POS host always "
        "gets the header.",
    ),
    th.Property(
        "hmac_public_key",
        th.StringType,
        secret=True,
        title="HMAC public key",
        description="Public part of a client HMAC key. Required if `auth_method` is hmac. A user "
        "HMAC key, which is for members' apps, does not work.",
    ),
    th.Property(
        "hmac_private_key",
        th.StringType,
        secret=True,
        title="HMAC private key",
        description="Private part of the same key.",
    ),
    th.Property(
        "hmac_timestamp",
        th.StringType,
        default=HMAC_TIMESTAMPS[0],
        allowed_values=list(HMAC_TIMESTAMPS),
        title="HMAC timestamp",
        description="Unit of the timestamp that is signed if `auth_method` is hmac. If CrowdTwist "
        "rejects the signature, `--test` says what to set.",
    ),
    th.Property(
        "hmac_digest",
        th.StringType,
        default=HMAC_DIGESTS[0],
        allowed_values=list(HMAC_DIGESTS),
        title="HMAC digest",
        description="Encoding of the signature if `auth_method` is hmac: base64 of the hexadecimal "
        "digest, base64 of its bytes, or hexadecimal. `--test` says what to set.",
    ),
)
