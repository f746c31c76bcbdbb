"""Settings of the streams that read files instead of the API."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_crowdtwist.files.naming import FEEDS

FEED_PATHS = ("data_push_path", "live_push_path", "batch_activity_path")
"""The settings with the paths of files; a run that reads only these needs no API key."""

_COLUMN_CHECKS = ("same", "any")

FILE_SETTINGS = (
    th.Property(
        "data_push_path",
        th.StringType,
        title="Data Push files",
        description="Location of the daily Data Push files: a folder, a glob, or a URL such as "
        "sftp://host/in. Turns on the streams `push_…`.",
    ),
    th.Property(
        "data_push_columns",
        th.StringType,
        default="same",
        allowed_values=list(_COLUMN_CHECKS),
        title="Data Push columns",
        description="What to do if a file lacks columns that earlier files of its feed have: "
        "`same` stops at that file, `any` reads it. New columns are always accepted.",
    ),
    th.Property(
        "data_push_delimiter",
        th.StringType,
        default=",",
        title="Data Push delimiter",
        description="Delimiter between the cells of a Data Push file, such as `;`. Use `tab` for a "
        "tab.",
    ),
    th.Property(
        "data_push_encoding",
        th.StringType,
        default="utf-8",
        title="Data Push encoding",
        description="Encoding of the Data Push files, by its Python name, such as cp1252 or "
        "utf-16.",
    ),
    th.Property(
        "data_push_daily",
        th.CustomType({"type": "array", "items": {"type": "string", "enum": list(FEEDS)}}),
        title="Daily feeds",
        description="Feeds that must have a file for each day if `sweep_members` is changed. If "
        "not set: profiles, activities, and any other feed that has delivered files.",
    ),
    th.Property(
        "live_push_path",
        th.StringType,
        title="Live Push captures",
        description="Directory in which `crowdtwist-receiver` stores Live Push events, or a glob, "
        "or a URL. Turns on the streams `live_…`.",
    ),
    th.Property(
        "batch_activity_path",
        th.StringType,
        title="Batch Activity Credit files",
        description="Location of the files that you send as Batch Activity Credit: a folder, a "
        "glob, or a URL. Turns on the stream `batch_activity_credits`.",
    ),
    th.Property(
        "sftp_known_hosts",
        th.StringType,
        title="SFTP known hosts",
        description="File with keys of SFTP hosts, in the format of OpenSSH's known_hosts, in "
        "addition to `~/.ssh/known_hosts`. Hosts whose key is in neither file are rejected, in any "
        "setting with a URL.",
    ),
    th.Property(
        "sftp_user",
        th.StringType,
        title="SFTP user",
        description="User name on SFTP hosts, unless a URL has one, as in sftp://user@host/in. If "
        "not set: `User` of `~/.ssh/config`, or else the name of the user who runs the tap.",
    ),
    th.Property(
        "sftp_password",
        th.StringType,
        secret=True,
        title="SFTP password",
        description="Password on SFTP hosts. If it is set, no keys are tried but that of "
        "`sftp_key_file`.",
    ),
    th.Property(
        "sftp_key_file",
        th.StringType,
        title="SFTP key file",
        description="File with the private key for SFTP hosts. If neither it nor `sftp_password` "
        "is set: `IdentityFile` of `~/.ssh/config`, the SSH agent, and the usual files in "
        "`~/.ssh`.",
    ),
    th.Property(
        "sftp_key_passphrase",
        th.StringType,
        secret=True,
        title="SFTP key passphrase",
        description="Passphrase of the private key for SFTP hosts, if the key has one.",
    ),
)
