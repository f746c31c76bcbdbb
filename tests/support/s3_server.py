"""A real S3 API of one's own, on loopback: moto's.

moto checks signatures and policies as AWS does: https://docs.getmoto.org/en/latest/docs/iam.html.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import boto3  # type: ignore[import-untyped]
import requests
from moto import settings as moto_settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem  # type: ignore[import-untyped]
from werkzeug.serving import WSGIRequestHandler, make_server

from support.push_files import check_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    import pytest
    from typing_extensions import Self

    from support.harness import Result

HOST = "127.0.0.1"
REGION = "us-east-1"
SECRET = "canary/secret+7391"
"""A secret that no server knows, to be looked for in what a run prints."""

PART_BYTES = 5 << 20
"""The smallest part of an upload in parts, but for the last."""


class Key(NamedTuple):
    """An access key; its names and values look like AWS's."""

    id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables in which programs look for it."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


OWNER = Key("AKIAOWNEROWNEROWNER0", "owner-secret")
"""May do everything, and is not counted: the brand, who puts the objects there."""


class Request(NamedTuple):
    """A request of anybody but the owner."""

    operation: str
    """The API's name of it."""
    path: str


class Reader:
    """What a program of this process finds in its environment about S3."""

    def __init__(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._monkeypatch = monkeypatch

    def become(self, key: Key | None = None, /, **variables: str) -> dict[str, str]:
        """Set the variables of a key and others, and no others; returns them all."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            self._monkeypatch.delenv(name)
        variables = {
            "AWS_ENDPOINT_URL": self._server.url,
            "AWS_EC2_METADATA_DISABLED": "true",  # no role of the machine that runs the tests
            "AWS_MAX_ATTEMPTS": "1",  # botocore waits seconds between attempts
            **(key.environment if key else {}),
            **variables,
        }
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)
        self.forget()
        return variables

    def forget(self) -> None:
        """Close what is open: a file system keeps the credentials that it began with."""
        S3FileSystem.clear_instance_cache()


class S3Server:
    """An S3 API on loopback with one bucket, until the block ends.

    Every request but the owner's has to be signed by a user who is allowed what it asks for.
    Requests without a signature are answered for public buckets alone.

    Attributes:
        bucket: the name of the bucket.
        requests: those of anybody but the owner, in order.
        failing: paths that are answered 500.
        cut: paths of which the next answer ends in the middle.
    """

    def __init__(self, bucket: str = "brand") -> None:
        self.bucket = bucket
        self.requests: list[Request] = []
        self.failing: set[str] = set()
        self.cut: set[str] = set()
        self._public: set[str] = set()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._users = 0

    def __enter__(self) -> Self:
        server = make_server(HOST, 0, self._answer, threaded=True, request_handler=_Silent)
        self._stack.callback(server.server_close)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.shutdown)
        self._stack.callback(self._reset)
        self.url = f"http://{HOST}:{server.server_port}"
        self.s3 = self._client("s3")
        self._iam = self._client("iam")
        self.s3.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def put(self, key: str, content: bytes, bucket: str = "") -> None:
        """Put an object into the bucket, in one part."""
        self.s3.put_object(Bucket=bucket or self.bucket, Key=key, Body=content)

    def put_in_parts(self, key: str, parts: Iterable[bytes]) -> str:
        """Put an object into the bucket in parts of 5 MiB or more; returns its ETag."""
        where = {"Bucket": self.bucket, "Key": key}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        etags = [
            {
                "PartNumber": number,
                "ETag": self.s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)[
                    "ETag"
                ],
            }
            for number, part in enumerate(parts, start=1)
        ]
        done = self.s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": etags}
        )
        return str(done["ETag"])

    def user(self, policy: Mapping[str, Any]) -> Key:
        """Add a user with a policy; returns the user's key."""
        self._users += 1
        name = f"user-{self._users}"
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(
            UserName=name, PolicyName="policy", PolicyDocument=json.dumps(policy)
        )
        made = self._iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def allowed(self, *actions: str) -> Key:
        """Add a user who may do certain actions on the bucket; returns the user's key."""
        arn = f"arn:aws:s3:::{self.bucket}"
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": [arn, f"{arn}/*"]}
        return self.user({"Version": "2012-10-17", "Statement": [statement]})

    def publish(self, bucket: str) -> None:
        """Make a new bucket that everybody may list and read."""
        self.s3.create_bucket(Bucket=bucket)
        everybody = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:ListBucket", "s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
        policy = {"Version": "2012-10-17", "Statement": [everybody]}
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        self._public.add(bucket)

    def operations(self) -> list[str]:
        """Return the names of the requests since the last call, in order."""
        names = [request.operation for request in self.requests]
        self.requests.clear()
        return names

    def _reset(self) -> None:
        """Forget all objects and users: moto keeps them for the process."""
        owner = {"Authorization": OWNER.id}
        requests.post(f"{self.url}/moto-api/reset", headers=owner, timeout=30).raise_for_status()

    def _client(self, service: str) -> Any:
        client = boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=OWNER.id,
            aws_secret_access_key=OWNER.secret,
        )
        self._stack.callback(client.close)
        return client

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer a request, checked as its sender has to be."""
        signature, path = environ.get("HTTP_AUTHORIZATION", ""), environ["PATH_INFO"]
        is_owner = OWNER.id in signature
        if not is_owner:
            self.requests.append(Request(_operation(environ), path))
            if path in self.failing:
                return _error(environ, start, "500 Internal Server Error", "InternalError")
            if not signature and path.split("/")[1] not in self._public:
                return _error(environ, start, "403 Forbidden", "AccessDenied")
        # How many requests moto answers before it checks who sends them.
        unchecked = float("inf") if is_owner or not signature else 0
        with self._lock:
            before = moto_settings.INITIAL_NO_AUTH_ACTION_COUNT
            moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = unchecked
            try:
                body = b"".join(self._app(environ, start))
            finally:
                moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = before
        if path in self.cut and not is_owner:
            self.cut.remove(path)
            return [body[: len(body) // 2]]
        return [body]


class _Silent(WSGIRequestHandler):
    """Log nothing, since the log of the program under test is read."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        pass


def _error(environ: Mapping[str, Any], start: Any, status: str, code: str) -> list[bytes]:
    start(status, [("Content-Type", "application/xml")])
    if environ["REQUEST_METHOD"] == "HEAD":  # whose answers have no body
        return []
    return [f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()]


def _operation(environ: Mapping[str, Any]) -> str:
    """Return the API's name of a request."""
    _, bucket, *key = environ["PATH_INFO"].split("/", 2)
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    of = "Object" if key and key[0] else "Bucket" if bucket else "Buckets"
    if environ["REQUEST_METHOD"] == "GET" and "list-type" in query:
        return "ListObjectsV2"
    suffix = next((name for name in ("location", "acl", "uploads") if name in query), "")
    return f"{environ['REQUEST_METHOD'].capitalize()}{of}{suffix.capitalize()}"


def refused(result: Result, *said: str) -> None:
    """Check that no row was read, and that one sentence says why, with a setting and no secret."""
    check_failure(result, "Setting `", *said)
    assert not result.records
    assert SECRET not in result.stderr
    assert OWNER.secret not in result.stderr
