"""Settings as users see them: names, types, defaults and descriptions, in their public order."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from tap_crowdtwist.config.api_settings import API_SETTINGS
from tap_crowdtwist.config.file_settings import FILE_SETTINGS
from tap_crowdtwist.privacy.policy import MODES
from tap_crowdtwist.records.member_id import ID_TYPES

_SWEEP_MODES = ("all", "changed", "updated")
_VANISHED_ROWS = ("keep", "forget")
_ID_LIST = {"type": "array", "items": {"type": ["string", "integer"]}}

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    *API_SETTINGS,
    th.Property(
        "user_ids",
        th.CustomType(_ID_LIST),
        title="Member ids",
        description="Members to read, as a list. CrowdTwist cannot list its members.",
    ),
    th.Property(
        "user_ids_path",
        th.StringType,
        title="Member file",
        description="File with the members to read: text with one id per line, CSV with a header, "
        "or JSON lines; optionally packed as .gz, .bz2, .xz, or .zip with one file. A path, a "
        "glob, or a URL such as s3://bucket/members.csv.",
    ),
    th.Property(
        "user_ids_column",
        th.StringType,
        title="Member column",
        description="CSV column or JSON property with the ids, needed if it is not obvious. Case, "
        "blanks and separators are ignored.",
    ),
    th.Property(
        "id_type",
        th.StringType,
        default="id",
        allowed_values=list(ID_TYPES),
        title="Id type",
        description="Type of the given ids. Any type but `id` costs one more request per member, "
        "to look up the CrowdTwist id that every stream carries as `user_id`.",
    ),
    th.Property(
        "sweep_members",
        th.StringType,
        default="all",
        allowed_values=list(_SWEEP_MODES),
        title="Members to sweep",
        description="`all`: request the data of every member in the roster. `changed`: only of "
        "members that appear in files of `data_push_path` (and `live_push_path`) that arrived "
        "since the last complete sweep. `updated`: every profile, and the other data only of "
        "members whose profile was updated since. Both need a complete run with `all` first.",
    ),
    th.Property(
        "sweep_all_days",
        th.IntegerType(minimum=1, maximum=36_500),
        default=7,
        title="Age of the last sweep of all",
        description="With `sweep_members` updated, days after which a warning asks for a run with "
        "`all`, which reads what no profile shows.",
    ),
    *FILE_SETTINGS,
    th.Property(
        "shard",
        th.StringType,
        title="Shard",
        description='Read only one part of the members: "2/8" is part 2 of 8. Program streams and '
        "files are read with part 1.",
    ),
    th.Property(
        "sample_members",
        th.IntegerType(minimum=1),
        title="Sample of members",
        description="Read only this many members of the roster, chosen by a hash, for "
        "development. Nothing is marked as complete, and the state of member streams stays as it "
        "is. With `--estimate`, the size of the sample; 100 if not set.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Earliest date of history, purchases and redemptions in the first sync. If not "
        "set, everything is read.",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0, maximum=36_500),
        default=7,
        title="Lookback",
        description="Days before the last sync that are read again, to catch rows that arrive late "
        "or change.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        default=5000,
        title="Rate limit",
        description="Maximum requests in any 60 seconds, retries included. CrowdTwist allows "
        "10,000 per program, which your storefront shares.",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Concurrency",
        description="Maximum number of concurrent requests.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Timeout",
        description="Maximum seconds to wait for one response.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        default=5,
        title="Retries",
        description="Maximum number of retries of a failed request.",
    ),
    th.Property(
        "checkpoint_interval",
        th.IntegerType(minimum=0, maximum=86_400),
        default=10,
        title="Checkpoint interval",
        description="Seconds between STATE messages. An interrupted run has to repeat at most the "
        "work since the last one.",
    ),
    th.Property(
        "max_missing_ratio",
        th.NumberType(minimum=0, maximum=1),
        default=0.5,
        title="Missing members",
        description="Maximum share of members that CrowdTwist does not know. The run fails above "
        "it, since `id_type` or the roster is then likely wrong. 1 accepts any share.",
    ),
    th.Property(
        "missing_members_path",
        th.StringType,
        title="File of missing members",
        description="Local file that lists every member that CrowdTwist does not know: CSV with "
        "one column, replaced at the end of each run. It holds personal data, so only its owner "
        "can read it; unless `sensitive_data` is keep, ids other than CrowdTwist's are hashed. "
        'With `shard`, "2-of-8" is added to its name.',
    ),
    th.Property(
        "max_failed_members",
        th.IntegerType(minimum=0),
        default=100,
        title="Failed members in a row",
        description="A stream is given up after more than this many members in a row have failed, "
        "without a success in between. The next run retries all failed members.",
    ),
    th.Property(
        "sensitive_data",
        th.StringType,
        default="keep",
        allowed_values=list(MODES),
        title="Personal data",
        description="What happens to properties that identify or describe a person: kept, hashed "
        "with `hash_key`, or dropped. Key properties are hashed even with drop.",
    ),
    th.Property(
        "hash_key",
        th.StringType,
        secret=True,
        title="Hash key",
        description="Secret of at least 16 characters, required unless `sensitive_data` is keep. "
        "The same key gives the same hashes in every stream and run.",
    ),
    th.Property(
        "open_objects",
        th.ArrayType(th.StringType),
        title="Open objects",
        description="Objects with members defined by the program (custom_data, extra_data, "
        "additional_properties, or stream.name) to keep unchanged even if `sensitive_data` is not "
        "keep.",
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
        description="Whether a member that CrowdTwist has deleted gets a row in `users` that says "
        "so (`_sdc_deleted_at`). Costs one more request per member that is not found.",
    ),
    th.Property(
        "vanished_rows",
        th.StringType,
        default="keep",
        allowed_values=list(_VANISHED_ROWS),
        title="Vanished rows",
        description="What happens to rows of full-table member streams that CrowdTwist no longer "
        "returns. `keep`: they stay in the table. `forget`: after a complete sweep of all members, "
        "an ACTIVATE_VERSION message makes the target delete them or mark them as deleted.",
    ),
).to_dict()
"""JSON Schema of the settings: the source of `--about`, their page and meltano.yml."""

SECRETS = frozenset(
    name for name, schema in CONFIG_SCHEMA["properties"].items() if schema.get("secret")
)
