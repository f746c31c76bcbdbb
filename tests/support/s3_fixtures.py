"""Somebody who reads the S3 of a module's `server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.s3_server import Reader, S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def reader(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reader]:
    """Somebody without any credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    somebody = Reader(server, monkeypatch)
    somebody.become()
    server.requests.clear()
    yield somebody
    somebody.forget()
