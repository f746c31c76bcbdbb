"""Third-party-id hook: the brand's own function that maps a profile to the brand's id.

CrowdTwist reads `third_party_id` from the response to a profile event ("Live Push User Profile").
Only the brand knows that id, so a function of the brand is called for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from inspect import iscoroutinefunction
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from crowdtwist_receiver.responses import RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    HookFunction = Callable[[dict[str, Any]], str | None]
    CallFuture = asyncio.Future[tuple[Any, str]]

_THREADS = 8
_MAX_PENDING_CALLS = 256
_OPTION = "--third-party-id-hook"


def load_hook(name: str) -> HookFunction:
    """Import a function by its name, `package.module:function`.

    Raises:
        ValueError: with a message that holds the type of an exception, not its text.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(f"{_OPTION}: must be package.module:function.")
    try:
        module = import_module(module_name)
    except Exception as error:  # noqa: BLE001 - the module may raise anything
        raise ValueError(
            f"{_OPTION}: {module_name} cannot be imported ({type(error).__name__})."
        ) from None
    function = getattr(module, attribute, None)
    if not callable(function) or iscoroutinefunction(function):
        raise ValueError(f"{_OPTION}: {module_name} has no plain function {attribute}.")
    return function  # type: ignore[no-any-return]


class Hook:
    """Calls the function in a fixed number of threads, with a time limit.

    Args:
        function: receives an event as it was stored, returns an id or None.
        timeout: seconds for a call, including the wait for a free thread.
    """

    def __init__(self, function: HookFunction, timeout: float) -> None:
        self._function = function
        self._timeout = timeout
        self._calls: SimpleQueue[tuple[dict[str, Any], CallFuture]] = SimpleQueue()
        self._pending = 0
        for number in range(_THREADS):
            # Daemon threads, so that a call that never ends cannot keep the process alive. The
            # threads of `asyncio.to_thread` and `anyio.to_thread` are joined at exit.
            Thread(target=self._work, name=f"third-party-id-{number}", daemon=True).start()

    async def call(self, event: dict[str, Any]) -> str | None:
        """Return the id for a profile event.

        Raises:
            RetryLater: the call failed or timed out; CrowdTwist will send the event again.
        """
        # A thread cannot be canceled, so a call that timed out still counts as pending until it
        # returns. Otherwise a slow function would fill the queue without limit.
        if self._pending >= _MAX_PENDING_CALLS:
            raise _retry_later("too many pending hook calls")
        future: CallFuture = asyncio.get_running_loop().create_future()
        self._pending += 1
        self._calls.put((event, future))
        try:
            result, error_name = await asyncio.wait_for(future, self._timeout)
        except asyncio.TimeoutError:
            raise _retry_later("the hook timed out") from None
        if error_name:
            raise _retry_later(f"the hook raised {error_name}")
        if result is None or isinstance(result, str):
            return result
        raise _retry_later(f"the hook returned {type(result).__name__}")

    def _work(self) -> None:
        while True:
            event, future = self._calls.get()
            result, error_name = None, ""
            if not future.cancelled():  # else it timed out while it was queued
                try:
                    result = self._function(event)
                except BaseException as error:  # noqa: BLE001 - SystemExit must not end the thread
                    error_name = type(error).__name__
            # Futures and `_pending` belong to the loop's thread.
            with suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(self._finish, future, result, error_name)

    def _finish(self, future: CallFuture, result: Any, error_name: str) -> None:
        self._pending -= 1
        if not future.done():
            future.set_result((result, error_name))


def _retry_later(detail: str) -> RetryLater:
    return RetryLater("no third-party id yet", detail=detail)
