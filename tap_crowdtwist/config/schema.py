"""The settings as users see them: names, types, defaults and descriptions."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HMAC_TIMESTAMPS
from tap_crowdtwist.api.endpoints import ENVIRONMENTS
from tap_crowdtwist.files.naming import FEEDS
from tap_crowdtwist.privacy.policy import MODES
from tap_crowdtwist.records.member_id import ID_TYPES

AUTH_METHODS = ("query", "header", "hmac")
SWEEPS = ("all", "changed")
COLUMNS = ("same", "any")
VANISHED = ("keep", "forget")
FEED_PATHS = ("data_push_path", "live_push_path", "batch_activity_path")
"""The settings that say where files are; whoever reads only those needs no key."""
_ID_LIST = {"type": "array", "items": {"type": ["string", "integer"]}}

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="A client API key, which you make in Control Center → Settings → API Keys; "
        "neither a user HMAC key nor a partner API key. If keys have permissions, it must be "
        "allowed to read what you select.",
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
        description="Which installation of CrowdTwist to read.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Base URL of the main host, in place of the one made of `environment` and "
        "`client_id`. https, or http on loopback.",
    ),
    th.Property(
        "pos_url",
        th.StringType,
        title="POS URL",
        description="Base URL of the point-of-sale host, which serves purchases and "
        "points awaiting fulfillment. https, or http on loopback.",
    ),
    th.Property(
        "auth_method",
        th.StringType,
        default="query",
        allowed_values=list(AUTH_METHODS),
        title="Authentication",
        description="How requests to the main host are authenticated: the key in the query (as "
        "documented), in a header, or an HMAC signature. The POS host always gets the header.",
    ),
    th.Property(
        "hmac_public_key",
        th.StringType,
        secret=True,
        title="HMAC public key",
        description="Public part of a client HMAC key, needed when `auth_method` is hmac. A user "
        "HMAC key is for members' apps, and does not do.",
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
        description="Unit of the timestamp that is signed when `auth_method` is hmac. `--test` "
        "says what to set if CrowdTwist refuses the signature.",
    ),
    th.Property(
        "hmac_digest",
        th.StringType,
        default=HMAC_DIGESTS[0],
        allowed_values=list(HMAC_DIGESTS),
        title="HMAC digest",
        description="How the signature is encoded when `auth_method` is hmac: base64 of the "
        "hexadecimal digest, base64 of its bytes, or hexadecimal. `--test` says what to set.",
    ),
    th.Property(
        "user_ids",
        th.CustomType(_ID_LIST),
        title="Member ids",
        description="The members to read, as a list. CrowdTwist cannot list its members.",
    ),
    th.Property(
        "user_ids_path",
        th.StringType,
        title="Member file",
        description="File with the members to read: text with one id a line, CSV with a header, "
        "or JSON lines; packed as .gz, .bz2, .xz, or .zip with one file, if you like. A path, a "
        "glob, or a URL such as s3://bucket/members.csv.",
    ),
    th.Property(
        "user_ids_column",
        th.StringType,
        title="Member column",
        description="CSV column or JSON property that holds the ids, where it is not obvious. "
        "Case, blanks and separators do not count.",
    ),
    th.Property(
        "id_type",
        th.StringType,
        default="id",
        allowed_values=list(ID_TYPES),
        title="Id type",
        description="What the given ids are. Anything but `id` costs one more request per member, "
        "to learn the CrowdTwist id that every stream carries as `user_id`.",
    ),
    th.Property(
        "sweep_members",
        th.StringType,
        default="all",
        allowed_values=list(SWEEPS),
        title="Members to sweep",
        description="`all`: ask the API about the whole roster. `changed`: only about members in "
        "files of `data_push_path` (and `live_push_path`) that came since the last complete sweep; "
        "run once with `all` first.",
    ),
    th.Property(
        "data_push_path",
        th.StringType,
        title="Data Push files",
        description="Where the daily files of Data Push are: a folder, a glob, or a URL such as "
        "sftp://host/in. Turns on the streams `push_…`.",
    ),
    th.Property(
        "data_push_columns",
        th.StringType,
        default="same",
        allowed_values=list(COLUMNS),
        title="Data Push columns",
        description="Whether a file may lack columns that earlier files of its feed have: `same` "
        "stops at it, `any` goes on. New columns are always welcome.",
    ),
    th.Property(
        "data_push_delimiter",
        th.StringType,
        default=",",
        title="Data Push delimiter",
        description="Character between two cells of a Data Push file, such as `;`; `tab` for a "
        "tab.",
    ),
    th.Property(
        "data_push_encoding",
        th.StringType,
        default="utf-8",
        title="Data Push encoding",
        description="Encoding of the Data Push files, by a name that Python knows, such as cp1252 "
        "or utf-16.",
    ),
    th.Property(
        "data_push_daily",
        th.CustomType({"type": "array", "items": {"type": "string", "enum": list(FEEDS)}}),
        title="Daily feeds",
        description="The feeds of which `changed` expects a file for each day; if not set, "
        "profiles, activities, and whichever others have come.",
    ),
    th.Property(
        "live_push_path",
        th.StringType,
        title="Live Push captures",
        description="The directory in which `crowdtwist-receiver` keeps what Live Push sends; or a "
        "glob, or a URL. Turns on the streams `live_…`.",
    ),
    th.Property(
        "batch_activity_path",
        th.StringType,
        title="Batch Activity Credit files",
        description="Where the files are that you send as Batch Activity Credit: a folder, a glob, "
        "or a URL. Turns on the stream `batch_activity_credits`.",
    ),
    th.Property(
        "sftp_known_hosts",
        th.StringType,
        title="SFTP known hosts",
        description="File with keys of SFTP hosts, as in OpenSSH's known_hosts, beside "
        "`~/.ssh/known_hosts`. A host whose key is in neither is refused, wherever a URL names it.",
    ),
    th.Property(
        "shard",
        th.StringType,
        title="Shard",
        description='Read only one part of the members: "2/8" is part 2 of 8.',
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Earliest history, purchases and redemptions to read on the first sync. "
        "Everything if not set.",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0, maximum=36_500),
        default=7,
        title="Lookback",
        description="Days before the last sync that are read again, for rows that arrive late or "
        "change.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        default=5000,
        title="Rate limit",
        description="The most requests sent in any minute. CrowdTwist allows 10,000 per program, "
        "and your storefront shares them.",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Concurrency",
        description="How many requests may be under way at once.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Timeout",
        description="Seconds to wait for one answer.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=5,
        title="Retries",
        description="How often a failed request is tried again.",
    ),
    th.Property(
        "checkpoint_interval",
        th.IntegerType(minimum=0, maximum=86_400),
        default=10,
        title="Checkpoint interval",
        description="Seconds between STATE messages, which is what an interrupted run may have "
        "to read again.",
    ),
    th.Property(
        "max_missing_ratio",
        th.NumberType(minimum=0, maximum=1),
        default=0.5,
        title="Missing members",
        description="The run fails if CrowdTwist does not know a larger part of the members: "
        "`id_type` or the roster is then likely wrong. 1 accepts any.",
    ),
    th.Property(
        "missing_members_path",
        th.StringType,
        title="File of missing members",
        description="A local file that names every member whom CrowdTwist does not know: CSV with "
        "one column, replaced at the end of each run. It holds personal data, so only its owner "
        "can read it; unless `sensitive_data` is keep, ids other than CrowdTwist's are hashed. "
        'With `shard`, "2-of-8" is added to its name.',
    ),
    th.Property(
        "max_failed_members",
        th.IntegerType(minimum=0),
        default=100,
        title="Failed members in a row",
        description="A stream is given up when more members than this fail in a row, without a "
        "success between. Whoever failed is asked again by the next run.",
    ),
    th.Property(
        "sensitive_data",
        th.StringType,
        default="keep",
        allowed_values=list(MODES),
        title="Personal data",
        description="What becomes of properties that name or describe a person: kept, hashed "
        "under `hash_key`, or dropped. Keys among them are hashed where others are dropped.",
    ),
    th.Property(
        "hash_key",
        th.StringType,
        secret=True,
        title="Hash key",
        description="Secret of at least 16 characters, needed unless `sensitive_data` is keep. "
        "The same key gives the same hashes, in every stream and run.",
    ),
    th.Property(
        "open_objects",
        th.ArrayType(th.StringType),
        title="Open objects",
        description="Objects with members of the program's own (custom_data, extra_data, "
        "additional_properties, or stream.name) to keep as they are although `sensitive_data` "
        "is not keep.",
    ),
    th.Property(
        "spendable_values",
        th.StringType,
        default="drop",
        allowed_values=["drop", "keep"],
        title="Spendable values",
        description="Whether codes that can be spent (coupons, redemptions, downloads) are "
        "emitted. If kept, they are treated as personal data.",
    ),
    th.Property(
        "deleted_members",
        th.StringType,
        default="tombstone",
        allowed_values=["tombstone", "ignore"],
        title="Deleted members",
        description="Whether a member that CrowdTwist has deleted gets a row in `users` that "
        "says so (`_sdc_deleted_at`). Costs one more request per member that is not found.",
    ),
    th.Property(
        "vanished_rows",
        th.StringType,
        default="keep",
        allowed_values=list(VANISHED),
        title="Vanished rows",
        description="Whether rows of full-table member streams that are no longer in the answers "
        "stay in the table. `forget`: after a complete sweep of all members, the target is told "
        "to delete them or mark them as deleted (ACTIVATE_VERSION).",
    ),
).to_dict()
"""JSON Schema of the settings, the source of `--about`, the README's table and meltano.yml."""

SECRETS = frozenset(
    name for name, schema in CONFIG_SCHEMA["properties"].items() if schema.get("secret")
)
