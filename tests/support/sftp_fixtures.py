"""An OpenSSH server for the tests of one module, and a user whom it lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.sftp_server import SftpServer, forget_connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with SftpServer(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The `.ssh` of a user whom the server lets in and who knows no host; no connection is open."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_bytes(server.user_key.read_bytes())
    yield tmp_path / ".ssh"
    forget_connections()


@pytest.fixture
def known(home: Path, server: SftpServer) -> Path:
    """The file by which the user knows the server."""
    path = home / "known_hosts"
    path.write_text(server.known(), encoding="ascii")
    return path
