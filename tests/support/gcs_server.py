"""An emulator of GCS of one's own, on loopback: gcp-storage-emulator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from gcp_storage_emulator.server import create_server  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"


class GcsServer:
    """An emulator of GCS on loopback with one bucket, until the block ends; it checks nobody."""

    def __init__(self, bucket: str = "brand") -> None:
        self.bucket = bucket

    def __enter__(self) -> Self:
        self._server = create_server(HOST, 0, in_memory=True, default_bucket=self.bucket)
        self._server.start()
        self.url = f"http://{HOST}:{self._server._api._httpd.server_port}"  # noqa: SLF001 - a free one
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the bucket."""
        where = f"{self.url}/upload/storage/v1/b/{self.bucket}/o"
        query = {"uploadType": "media", "name": key}
        requests.post(where, params=query, data=content, timeout=30).raise_for_status()
