"""Remote files are copied before they are read, one ahead, whatever the file system."""

from __future__ import annotations

import stat
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import register_implementation
from support.push_files import check_failure, ids, name_of, profiles, put, put_days, read, zipped

from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.files.folder import FileSource
from tap_crowdtwist.files.naming import DATA_PUSH
from tap_crowdtwist.files.read_ahead import ATTEMPTS, CopyError, ReadAhead, ReplacedError
from tap_crowdtwist.members.roster_files import located_in_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_SECONDS = 30


class Remote(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Files in memory, and something to do before each copy."""

    protocol = "remote"
    store: dict[str, Any] = {}  # noqa: RUF012 - as fsspec has it
    pseudo_dirs = [""]  # noqa: RUF012 - likewise
    before: Callable[[str, str], None] = staticmethod(lambda source, target: None)  # noqa: ARG005
    copied: list[str] = []  # noqa: RUF012 - of one test

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("remote://"))
        return stripped

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        type(self).before(rpath, lpath)
        super().get_file(rpath, lpath, **options)
        self.copied.append(rpath)


class Listed:
    """A file as listed."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """The file system `remote://`, without files, in which a test may act before each copy."""
    register_implementation("remote", Remote, clobber=True)
    monkeypatch.setattr(Remote, "before", Remote.before)
    system = Remote()
    yield system
    system.store.clear()
    system.copied.clear()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, empty."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def listed(system: Remote, *contents: bytes) -> list[Listed]:
    """Write files; return them as listed."""
    files = [
        Listed(f"/in/secret-{number}", len(content)) for number, content in enumerate(contents)
    ]
    for file, content in zip(files, contents, strict=True):
        system.pipe_file(file.path, content)
    return files


def copies_in(temporary: Path) -> list[Path]:
    return [path for path in temporary.rglob("*") if path.is_file()]


def test_each_file_is_read_from_a_copy_in_the_order_asked_for(
    remote: Remote, temporary: Path
) -> None:
    files = listed(remote, b"a", b"b", b"c")
    with ReadAhead(remote, files, growing=False) as ahead:
        for file, content in zip(files, (b"a", b"b", b"c"), strict=True):
            for _ in range(2):  # the same copy
                with ahead.open(file) as opened:
                    assert opened.read() == content
        assert remote.copied == [file.path for file in files]
        with ahead.open(files[0]) as opened:  # not announced as the next one
            assert opened.read() == b"a"
    assert not [*temporary.iterdir()]


def test_one_file_is_copied_ahead_and_no_more(remote: Remote, temporary: Path) -> None:
    files = listed(remote, *(bytes([number]) for number in range(6)))
    most = []
    begun = threading.Semaphore(0)

    def look(_: str, target: str) -> None:
        most.append(len([*copies_in(temporary), target]))
        begun.release()

    Remote.before = staticmethod(look)
    with ReadAhead(remote, files, growing=False) as ahead:
        for number, file in enumerate(files, start=1):
            ahead.open(file).close()
            for _ in range(2 if number == 1 else 1 if number < len(files) else 0):
                assert begun.acquire(timeout=WAIT_SECONDS)
            assert len(most) == min(number + 1, len(files))
    assert max(most) == 2


def test_copies_are_for_their_owner_and_named_after_nothing(
    remote: Remote, temporary: Path
) -> None:
    (file,) = listed(remote, b"a")
    with ReadAhead(remote, [file], growing=False) as ahead:
        ahead.open(file).close()
        (folder,) = temporary.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (copy,) = copies_in(temporary)
        assert "secret" not in copy.name


def test_an_error_of_the_copy_ahead_comes_when_that_file_is_opened(remote: Remote) -> None:
    files = listed(remote, b"a", b"b")
    failed = threading.Event()

    def fail(source: str, _: str) -> None:
        if source == files[1].path:
            failed.set()
            raise PermissionError(13, "Permission denied")

    Remote.before = staticmethod(fail)
    with ReadAhead(remote, files, growing=False) as ahead:
        with ahead.open(files[0]) as opened:
            assert failed.wait(WAIT_SECONDS)
            assert opened.read() == b"a"
        ahead.wait_for(files[1], lambda: None)
        for _ in range(2):
            with pytest.raises(PermissionError):
                ahead.open(files[1])


def test_a_stop_does_not_wait_for_a_copy(remote: Remote, temporary: Path) -> None:
    (file,) = listed(remote, b"a")
    release = threading.Event()

    def block(source: str, target: str) -> None:  # noqa: ARG001
        release.wait(WAIT_SECONDS)

    Remote.before = staticmethod(block)

    def stop() -> None:
        raise TapError

    try:
        with pytest.raises(TapError), ReadAhead(remote, [file], growing=False) as ahead:
            ahead.wait_for(file, stop)
        assert not [*temporary.iterdir()]
        assert not remote.copied
    finally:
        release.set()


def test_a_file_that_is_replaced_meanwhile_is_copied_again(remote: Remote) -> None:
    (file,) = listed(remote, b"short")
    Remote.before = staticmethod(lambda *_: remote.pipe_file(file.path, b"longer"))
    with ReadAhead(remote, [file], growing=False) as ahead, ahead.open(file) as opened:
        assert opened.read() == b"longer"
    assert len(remote.copied) == 2


def test_a_file_that_is_replaced_all_the_time_is_an_error(remote: Remote) -> None:
    (file,) = listed(remote, b"a")
    Remote.before = staticmethod(
        lambda *_: remote.pipe_file(file.path, remote.cat_file(file.path) + b"a")
    )
    with ReadAhead(remote, [file], growing=False) as ahead, pytest.raises(CopyError):
        ahead.open(file)
    assert len(remote.copied) == ATTEMPTS


def test_a_growing_file_is_copied_once(remote: Remote) -> None:
    (file,) = listed(remote, b"a")
    remote.pipe_file(file.path, b"aa")
    with ReadAhead(remote, [file], growing=True) as ahead, ahead.open(file) as opened:
        assert opened.read() == b"aa"
    assert len(remote.copied) == 1


# In the tap


def test_records_and_state_are_those_of_local_files(remote: Remote, tmp_path: Path) -> None:
    put_days(tmp_path / "in", 1, 2, 3, 4)
    for path in (tmp_path / "in").iterdir():
        remote.pipe_file(f"/in/{path.name}", path.read_bytes())
    far, near = read("remote:///in"), read(tmp_path / "in")
    assert far.records == near.records
    names = [name_of("PROFILE", day) for day in (1, 2, 3, 4)]
    assert remote.copied == [f"/in/{name}" for name in names]
    assert not read("remote:///in", state=far.state).records
    assert len(remote.copied) == len(names)


def test_a_full_disk_for_copies_is_named_with_what_to_change(remote: Remote) -> None:
    remote.pipe_file(f"/in/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    remote.pipe_file(f"/in/{name_of('PROFILE', 2)}", zipped(profiles(2)))

    def fill(source: str, _: str) -> None:
        if source.endswith(name_of("PROFILE", 2)):
            Path("/dev/full").write_bytes(b"1")

    Remote.before = staticmethod(fill)
    result = read("remote:///in", code=1)
    check_failure(
        result,
        f"Setting `data_push_path`: '{name_of('PROFILE', 2)}' cannot be opened: the directory for "
        "its temporary copy is full; set the environment variable TMPDIR to one with room for two "
        "files",
    )
    assert "check that it exists" not in result.last_line
    assert ids(result) == [1]
    Remote.before = staticmethod(lambda *_: None)
    assert ids(read("remote:///in", state=result.state)) == [2]


def test_a_lacking_directory_for_copies_is_named(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.pipe_file(f"/in/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    monkeypatch.setattr(tempfile, "tempdir", "/there/is/none")
    with (
        pytest.raises(SettingError, match="environment variable TMPDIR"),
        FileSource("remote:///in", DATA_PUSH).reading(),
    ):
        pass


def test_a_roster_is_copied_as_files_are(remote: Remote, temporary: Path) -> None:
    remote.pipe_file("/members.csv", b"id\n7\n")
    changes = [b"id\n7\n", b"id\n7\n8\n"]

    def change(_: str, target: str) -> None:
        if changes:
            Path(target).write_bytes(b"id\n6\n")
            remote.pipe_file("/members.csv", changes.pop())
            raise ReplacedError

    Remote.before = staticmethod(change)
    assert [member for _, member in located_in_files("remote:///members.csv", "id")] == [7]
    assert list(temporary.iterdir()) == []


def test_a_full_disk_for_the_copy_of_a_roster_is_named_too(remote: Remote) -> None:
    remote.pipe_file("/members.csv", b"id\n7\n")
    words = "the directory for its temporary copy is full; set the environment variable TMPDIR"

    def fill(_: str, __: str) -> None:
        Path("/dev/full").write_bytes(b"1")

    Remote.before = staticmethod(fill)
    with pytest.raises(SettingError, match=f"cannot read 'members.csv': {words}"):
        list(located_in_files("remote:///members.csv", "id"))


def test_local_files_are_not_copied(tmp_path: Path, temporary: Path) -> None:
    put(tmp_path / "in", name_of("PROFILE", 1), profiles(1))
    temporary.rmdir()
    source = FileSource(str(tmp_path / "in"), DATA_PUSH)
    path = tmp_path / "in" / name_of("PROFILE", 1)
    (file,) = listed(Remote(), b"")
    file.path = str(path)
    with source.reading(), source.open(file) as opened:  # type: ignore[arg-type]  # its path is read
        assert opened.read() == path.read_bytes()
