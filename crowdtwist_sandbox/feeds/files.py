"""Files that exist completely or not at all."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that gets its name when it is finished, and create its directory if needed.

    Until then it has a name that matches no feed. If writing fails, it is removed.

    Raises:
        OSError: the file cannot be written; the message says why.
    """
    draft = path.with_name(f".unfinished-{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror or error}): choose another directory."
        ) from None
    finally:
        with suppress(OSError):  # it was renamed, or there is no such directory
            draft.unlink()
