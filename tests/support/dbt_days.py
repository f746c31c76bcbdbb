"""What the tap reads of a sandbox on one day after the other, feeds included."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.harness import DAY, PRESENT, discover, run_tap
from support.receiver import KEY, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox
    from support.receiver import Running

FOLDERS = ("data_push", "live_push", "batch_activity")


@contextmanager
def reading(sandbox: Sandbox, directory: Path) -> Iterator[Days]:
    """Read a sandbox day by day.

    Args:
        sandbox: the sandbox, on its first day.
        directory: an empty directory for the files of the feeds.
    """
    folders = {name: directory / name for name in FOLDERS}
    for folder in folders.values():
        folder.mkdir(parents=True)
    with receiving(folders["live_push"]) as receiver:
        yield Days(sandbox, folders, receiver)


class Days:
    """The days of a sandbox, read with one state.

    Attributes:
        number: the day that is read next; the first is 0.
    """

    def __init__(self, sandbox: Sandbox, folders: dict[str, Path], receiver: Running) -> None:
        self.number = 0
        self._sandbox = sandbox
        self._folders = folders
        self._receiver = receiver
        self._paths = {f"{name}_path": str(folder) for name, folder in folders.items()}
        self._state: dict[str, Any] | None = None

    def read(self, *streams: str, **settings: Any) -> str:
        """Return the messages of the next day's run, of all streams if none is named."""
        if self.number:
            self._sandbox.advance(1)
        self._sandbox.write_data_push(self._folders["data_push"])
        self._sandbox.write_batch_activity(self._folders["batch_activity"])
        self._sandbox.post_live_push(f"{self._receiver.url}/live", api_key=KEY)
        result = run_tap(
            self._sandbox,
            *(streams or all_streams(self._paths)),
            state=self._state,
            present=PRESENT + self.number * DAY,
            **{"deleted_members": "tombstone", **self._paths, **settings},
        )
        self.number += 1
        self._state = result.state
        return result.stdout


def all_streams(paths: dict[str, str]) -> list[str]:
    """Return the names of all streams, those of files with a path included."""
    return [entry["tap_stream_id"] for entry in discover(paths)["streams"]]
