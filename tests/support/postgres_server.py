"""A real PostgreSQL server of one's own, started by the tests from the binaries on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import processes
from support.processes import HOST

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

OLDEST = 15
TIME_ZONE = "Asia/Kathmandu"
"""Where the server believes to be: 5:45 hours off, so that a shifted instant cannot be missed."""

_USER = "loader"
_PASSWORD = "p@ss:word/%41 √"  # what has to be escaped in a URL
_START_SECONDS = 60
_QUICKLY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",  # four loaders at once, each with several processes
    "autovacuum": "off",
}


def binaries() -> Path:
    """The directory of the newest PostgreSQL's programs.

    Raises:
        FileNotFoundError: there is none that is new enough.
    """
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    versions = {int(path.parts[-3].partition(".")[0]): path.parent for path in debian}
    newest = max(versions, default=0)
    if newest >= OLDEST:
        return versions[newest]
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    raise FileNotFoundError(
        f"These tests start a PostgreSQL {OLDEST} or newer of their own, and there is none: "
        "install the package `postgresql`, or put the directory of its `initdb` on the PATH"
    )


def _ordinary_user() -> dict[str, Any]:
    """Whom the server runs as, in the words of `subprocess`: root is refused."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {"user": 65534, "group": 65534, "extra_groups": []}


class PostgresServer:
    """A server on loopback, with its data in a temporary directory, until the block ends.

    Attributes:
        port: where it listens.
        version: its major version.
    """

    def __init__(self) -> None:
        self._bin = binaries()
        self._as = _ordinary_user()
        self._home = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.version = 0

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._initialise()
            self._start()
        except BaseException:
            self._stop()
            raise
        self.version = int(self.query("SHOW server_version_num")[0]) // 10_000
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _initialise(self) -> None:
        password = self._home / "password"
        password.write_text(_PASSWORD, encoding="utf-8")
        if self._as:
            for path in (self._home, password):
                os.chown(path, self._as["user"], self._as["group"])
        subprocess.run(
            [
                self._bin / "initdb",
                f"--pgdata={self._home / 'data'}",
                f"--username={_USER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            check=True,
            capture_output=True,
            cwd=self._home,
            timeout=_START_SECONDS,
            **self._as,
        )

    def _start(self) -> None:
        self.port = processes.free_port()
        settings = {
            **_QUICKLY,
            "TimeZone": TIME_ZONE,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self._home),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._home / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                start_new_session=True,
                **self._as,
            )
        deadline = time.monotonic() + _START_SECONDS
        ready: list[str | Path] = [
            self._bin / "pg_isready",
            "--quiet",
            f"--host={HOST}",
            f"--port={self.port}",
        ]
        while subprocess.run(ready, check=False, timeout=_START_SECONDS).returncode:
            stopped = self._process.poll() is not None or time.monotonic() > deadline
            assert not stopped, (self._home / "log").read_text(encoding="utf-8")
            time.sleep(0.05)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once; the data is thrown away
            processes.end(self._process)
            self._process = None
        shutil.rmtree(self._home, ignore_errors=True)

    def create_database(self, name: str) -> None:
        """Create an empty database in place of the one of this name."""
        self.query(f"DROP DATABASE IF EXISTS {name}")
        self.query(f"CREATE DATABASE {name}")

    def settings(self, database: str) -> dict[str, str]:
        """What target-postgres has to know, as environment variables of Meltano."""
        return {
            "TARGET_POSTGRES_HOST": HOST,
            "TARGET_POSTGRES_PORT": str(self.port),
            "TARGET_POSTGRES_USER": _USER,
            "TARGET_POSTGRES_PASSWORD": _PASSWORD,
            "TARGET_POSTGRES_DATABASE": database,
        }

    def query(self, sql: str, database: str = "postgres") -> list[str]:
        """Run a statement with `psql`; returns the lines of its answer."""
        found = subprocess.run(
            [
                self._bin / "psql",
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                f"--host={HOST}",
                f"--port={self.port}",
                f"--username={_USER}",
                f"--dbname={database}",
                f"--command={sql}",
            ],
            env={**os.environ, "PGPASSWORD": _PASSWORD, "PGCLIENTENCODING": "UTF8"},
            check=False,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout.splitlines()
