"""A real nginx, started by the tests from the binary on the machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from support import processes
from support.processes import HOST

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_SECONDS = 30
# In one process, which runs as the user who runs the tests: it can write to their directories, and
# nothing is left of it when it ends.
_MAIN = """
daemon off;
master_process off;
pid {home}/pid;
error_log {home}/error.log info;
events {{}}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site.conf;
}}
"""


def nginx() -> str:
    """The path of the program.

    Raises:
        FileNotFoundError: there is none.
    """
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found:
        return found
    raise FileNotFoundError(
        "These tests start an nginx of their own, and there is none: install the package `nginx`"
    )


class NginxServer:
    """An nginx on loopback, until the block ends.

    Args:
        home: a directory of its own.
        site: its configuration within `http`, which listens on `port`.
        port: where it listens.
    """

    def __init__(self, home: Path, site: str, port: int) -> None:
        self.port = port
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        (home / "site.conf").write_text(site, encoding="utf-8")
        (home / "nginx.conf").write_text(_MAIN.format(home=home), encoding="utf-8")

    def __enter__(self) -> Self:
        said = self._home / "said"
        with said.open("wb") as output:
            self._process = subprocess.Popen(
                [nginx(), "-p", self._home, "-c", self._home / "nginx.conf", "-e", "stderr"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _SECONDS
        while not self._listens():
            stopped = self._process.poll() is not None or time.monotonic() > deadline
            if stopped:
                self._stop()
                raise RuntimeError(said.read_text(encoding="utf-8"))
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def errors(self) -> str:
        """Its log of errors so far."""
        return (self._home / "error.log").read_text(encoding="utf-8")

    def requests(self) -> str:
        """Its log of requests so far."""
        return (self._home / "access.log").read_text(encoding="utf-8")

    def _listens(self) -> bool:
        with suppress(OSError), closing(socket.create_connection((HOST, self.port), timeout=1)):
            return True
        return False

    def _stop(self) -> None:
        if self._process is not None:
            processes.stop(self._process)
        self._process = None
