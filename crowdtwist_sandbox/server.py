"""The sandbox as a running server: both hosts in one background thread."""

from __future__ import annotations

import asyncio
import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.accounts import accounts
from crowdtwist_sandbox.engine import Engine
from crowdtwist_sandbox.expected_rows import expected_rows
from crowdtwist_sandbox.feeds.batch import write_batch_activity
from crowdtwist_sandbox.feeds.data_push import CLIENT, write_data_push
from crowdtwist_sandbox.feeds.posting import Endpoint, post_live_push
from crowdtwist_sandbox.hosts.app import CONTROL_PREFIX, main_host, pos_host
from crowdtwist_sandbox.hosts.control import control_app
from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.serving import Server, new_loop

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from starlette.types import ASGIApp
    from typing_extensions import Self

_HOST = "127.0.0.1"


def _bind(port: int) -> socket.socket:
    """Return a listening socket on loopback.

    Raises:
        OSError: the port is in use or not permitted; the message says so.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it, a restarted sandbox could not bind a port with connections in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((_HOST, port))
        sock.listen(2048)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"Port {port} of {_HOST} cannot be used ({reason}): choose another."
        ) from None
    return sock


class Sandbox:
    """A fake CrowdTwist that serves inside `with Sandbox(options) as sandbox:`.

    Its methods do the same as the control surface over HTTP, and may be called from any thread.
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.engine = Engine(self.options)
        self.api_url = self.pos_url = self.control_url = ""
        self._servers: list[Server] = []
        self._sockets: list[socket.socket] = []
        self._running: tuple[Thread, asyncio.AbstractEventLoop] | None = None

    @property
    def api_key(self) -> str:
        """The key that both hosts accept."""
        return self.options.api_key

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bind both ports and start serving; requests that come earlier wait in the sockets.

        Raises:
            OSError: a port cannot be used.
        """
        apps: list[ASGIApp] = [
            main_host(self.engine, control_app(self.engine)),
            pos_host(self.engine),
        ]
        # Bound here and not by uvicorn: a port in use raises in the caller's thread, and the URLs
        # are known at once, even for port 0.
        try:
            for port in (self.options.port, self.options.pos_port):
                self._sockets.append(_bind(port))
        except OSError:
            self.stop()
            raise
        self._servers = [Server(app) for app in apps]
        self.api_url, self.pos_url = (
            f"http://{_HOST}:{sock.getsockname()[1]}" for sock in self._sockets
        )
        self.control_url = self.api_url + CONTROL_PREFIX
        loop = new_loop()
        thread = Thread(target=self._run, args=(loop,), name="crowdtwist-sandbox")
        self._running = thread, loop
        thread.start()

    def stop(self) -> None:
        """Stop serving; join the thread and close both sockets."""
        if self._running is not None:
            thread, loop = self._running
            for server in self._servers:
                # An asyncio.Event may be set in its loop only.
                loop.call_soon_threadsafe(server.stop)
            thread.join()
            self._running = None
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_until_complete(self._serve())
            loop.run_until_complete(loop.shutdown_asyncgens())
            # Threads of the control surface may still compute a listing.
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._sockets, strict=True)
        await asyncio.gather(*(server.serve(sockets=[sock]) for server, sock in pairs))

    def advance(self, days: int = 1) -> dict[str, Any]:
        """Move the clock forward by a number of days, and return it."""
        self.engine.clock.advance(days)
        return self.engine.clock.reading()

    def clock(self) -> dict[str, Any]:
        """Return the day's number, its date and the sandbox's current time."""
        return self.engine.clock.reading()

    def roster(self, id_type: str = "id") -> list[str]:
        """Return the ids of all members who ever joined, ascending by numeric id."""
        return list(self.engine.world.population.roster(self.engine.clock.day, id_type))

    def expected_rows(self, stream: str, day: int | None = None) -> Iterator[dict[str, Any]]:
        """Return the canonical rows of a stream; see the module `expected_rows`."""
        return expected_rows(self.engine, stream, day)

    def accounts(self, day: int | None = None) -> Iterator[dict[str, Any]]:
        """Return the members' accounts of points; see the module `accounts`."""
        return accounts(self.engine, day)

    def write_data_push(
        self,
        directory: str | os.PathLike[str],
        day: int | None = None,
        *,
        client: str = CLIENT,
        bare: bool = False,
    ) -> list[Path]:
        """Write the Data Push files of a day (default: today); see `feeds.data_push`."""
        return write_data_push(self.engine, directory, self._day(day), client, bare=bare)

    def write_batch_activity(
        self, directory: str | os.PathLike[str], day: int | None = None, *, client: str = CLIENT
    ) -> Path:
        """Write the Batch Activity Credit file of a day (default: today); see `feeds.batch`."""
        return write_batch_activity(self.engine, directory, self._day(day), client)

    def post_live_push(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        day: int | None = None,
        repeats: bool = True,
    ) -> dict[str, int]:
        """Post the Live Push events of a day (default: today), and return counts by feed.

        See `feeds.posting`.
        """
        endpoint = Endpoint(url, user, password, api_key)
        return post_live_push(self.engine, endpoint, self._day(day), repeats=repeats)

    def _day(self, day: int | None) -> int:
        return self.engine.clock.day if day is None else day

    def set_faults(self, spec: str = "") -> None:
        """Replace the active faults; see the package `faults` for the grammar.

        Raises:
            ValueError: the spec is invalid; the message says where.
        """
        self.engine.faults.set(spec)

    def counts(self) -> dict[str, Any]:
        """Return the counts of requests and faults since the last reset.

        See `RequestLog.counts`.
        """
        return self.engine.request_log.counts()

    def requests(self) -> list[dict[str, Any]]:
        """Return the latest 10,000 requests."""
        return self.engine.request_log.requests()

    def reset(self) -> None:
        """Clear all counts and requests."""
        self.engine.request_log.reset()
