"""Files that are there whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which gets its name when it is finished; its directory is made if need be.

    Until then its name is one that no feed has; if writing fails, nothing of it stays behind.

    Raises:
        OSError: it cannot be written; the message is a sentence.
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
        with suppress(OSError):  # it has its name, or there is no such directory
            draft.unlink()
