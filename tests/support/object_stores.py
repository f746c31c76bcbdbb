"""An S3 of one's own on loopback: moto's server, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"
REGION = "eu-central-1"
KEY_ID, SECRET = "AKIAEXAMPLEOFTESTS00", "CANARY/s3cret+of+a+bucket=and-more"


class S3Server:
    """An S3 until the block ends.

    Attributes:
        client: boto3's client of it.
    """

    client: Any

    def __enter__(self) -> Self:
        self._server = ThreadedMotoServer(HOST, 0, verbose=False)
        self._server.start()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        self._server.stop()
        self._server._server.server_close()  # type: ignore[union-attr]  # noqa: SLF001 - moto leaves it open

    @property
    def url(self) -> str:
        """The address of its API."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the libraries of AWS read, to reach it and no other."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def create_bucket(self, name: str) -> None:
        """Create a bucket."""
        self.client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def put(self, bucket: str, key: str, content: bytes | Path) -> None:
        """Create or replace an object."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        self.client.put_object(Bucket=bucket, Key=key, Body=body)
