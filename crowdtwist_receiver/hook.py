"""The third-party-id answer: the brand's own id of a member, told to CrowdTwist in the response.

CrowdTwist takes `third_party_id` out of the answer to a profile event ("Live Push User Profile").
Which id that is, only the brand knows; a function of its own is asked.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from inspect import iscoroutinefunction
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from crowdtwist_receiver.responses import Later

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[dict[str, Any]], str | None]

_THREADS = 8
_AT_MOST = 256
_OPTION = "--third-party-id-hook"


def load_hook(name: str) -> Function:
    """Import a function by its name, `package.module:function`.

    Raises:
        ValueError: with a sentence; it names the type of an exception, not what it says.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(f"{_OPTION}: must be package.module:function.")
    try:
        module = import_module(module_name)
    except Exception as error:  # noqa: BLE001 - whatever the module does
        raise ValueError(
            f"{_OPTION}: {module_name} cannot be imported ({type(error).__name__})."
        ) from None
    function = getattr(module, attribute, None)
    if not callable(function) or iscoroutinefunction(function):
        raise ValueError(f"{_OPTION}: {module_name} has no plain function {attribute}.")
    return function  # type: ignore[no-any-return]


class Hook:
    """Calls the function in threads, a bounded number of them for a bounded time.

    A call that takes too long goes on in its thread, and its answer is dropped.

    Args:
        function: given an event as it was stored, returns an id or None.
        seconds: that a call may take, its wait for a thread included.
    """

    def __init__(self, function: Function, seconds: float) -> None:
        self._function = function
        self._seconds = seconds
        self._calls: SimpleQueue[tuple[dict[str, Any], asyncio.Future[tuple[Any, str]]]] = (
            SimpleQueue()
        )
        self._unfinished = 0
        for number in range(_THREADS):
            # Daemons, so that a call that never ends does not keep the process from ending.
            Thread(target=self._work, name=f"third-party-id-{number}", daemon=True).start()

    async def ask(self, event: dict[str, Any]) -> str | None:
        """Ask for the id of a profile.

        Raises:
            Later: there was no answer, so that CrowdTwist asks again.
        """
        if self._unfinished >= _AT_MOST:
            raise _later("too many calls of the hook at a time")
        future: asyncio.Future[tuple[Any, str]] = asyncio.get_running_loop().create_future()
        self._unfinished += 1
        self._calls.put((event, future))
        try:
            found, trouble = await asyncio.wait_for(future, self._seconds)
        except asyncio.TimeoutError:
            raise _later("the hook took too long") from None
        if trouble:
            raise _later(f"the hook raised {trouble}")
        if found is None or isinstance(found, str):
            return found
        raise _later(f"the hook returned {type(found).__name__}")

    def _work(self) -> None:
        while True:
            event, future = self._calls.get()
            found, trouble = None, ""
            if not future.cancelled():
                try:
                    found = self._function(event)
                except BaseException as error:  # noqa: BLE001 - its exit is none of ours
                    trouble = type(error).__name__
            with suppress(RuntimeError):  # the loop has ended
                future.get_loop().call_soon_threadsafe(self._finish, future, found, trouble)

    def _finish(self, future: asyncio.Future[tuple[Any, str]], found: Any, trouble: str) -> None:
        self._unfinished -= 1
        if not future.done():
            future.set_result((found, trouble))


def _later(trouble: str) -> Later:
    return Later("no third-party id yet", detail=trouble)
