"""Where the files are: folders, globs and URLs, and what is said where there are none."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from support.harness import PRESENT
from support.push_files import (
    BATCH,
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    with_method,
    zipped,
)
from typing_extensions import override

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.folder import FileSource
from tap_crowdtwist.files.naming import DATA_PUSH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUSHED = "Setting `data_push_path`: "


class Guarded(LocalFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Local files, some of which may not be looked at, and listings that are remembered."""

    protocol = "guarded"
    closed: ClassVar[set[str]] = set()
    dircache: ClassVar[dict[str, Any]] = {}

    def _check(self, path: str) -> None:
        if path.rstrip("/").rpartition("/")[2] in self.closed:
            raise PermissionError(13, "Permission denied", path)

    @override
    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        self._check(path)
        if path not in self.dircache:
            self.dircache[path] = super().ls(path, detail=detail, **kwargs)
        return self.dircache[path]

    @override
    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()

    @override
    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        self._check(path)
        return super()._open(path, mode=mode, **kwargs)


class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Lists as s3fs does: all keys below a prefix at once, those that mark folders included."""

    protocol = "bucket"
    store: ClassVar[dict[str, Any]] = {}
    markers: ClassVar[set[str]] = set()

    @classmethod
    def root(cls, url: str) -> str:
        root: str = cls._strip_protocol(url)
        return root

    @override
    def find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        marks = {mark: {"name": mark, "size": 0, "type": "file"} for mark in self.markers}
        found = {**super().find(path, *args, **kwargs), **marks}
        return {key: found[key] for key in sorted(found) if key.startswith(path)}


@pytest.fixture
def bucket() -> Iterator[str]:
    """A URL of a place in an object store."""
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    yield "bucket://feeds/in"
    Bucket.store.clear()
    Bucket.markers.clear()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A URL of the folder, on a file system that can be told to refuse."""
    fsspec.register_implementation("guarded", Guarded, clobber=True)
    yield f"guarded://{tmp_path}"
    Guarded.closed.clear()


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder in memory."""
    url = f"memory://feeds-{uuid.uuid4().hex}"
    yield url
    fsspec.filesystem("memory").rm(url, recursive=True)


def pipe(url: str, content: bytes) -> None:
    fsspec.filesystem(url.partition(":")[0]).pipe(url, content)


def test_files_below_the_folder_are_found(tmp_path: Path) -> None:
    put_days(tmp_path / "2026" / "03", 2)
    put_days(tmp_path / "2026", 1)
    put_days(tmp_path, 3)
    assert ids(read(tmp_path)) == [1, 101, 1, 102, 1, 103]
    assert ids(read(f"{tmp_path}/")) == [1, 101, 1, 102, 1, 103]


def test_a_glob_names_some_of_the_files(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2, 11)
    put_days(tmp_path / "deep", 3)
    assert ids(read(tmp_path / "*_2026030?.zip")) == [1, 101, 1, 102]
    assert ids(read(tmp_path / "**" / "*_2026030*.zip")) == [1, 101, 1, 102, 1, 103]


@pytest.mark.parametrize("ending", ["zip", "csv"])
def test_one_file_can_be_named_and_changes_in_it_are_noticed(tmp_path: Path, ending: str) -> None:
    path = put(tmp_path, name_of("PROFILE", 1, ending), profiles(1))
    first = read(path)
    assert ids(first) == [1]
    assert ids(read(path, state=first.state)) == []
    put(tmp_path, path.name, profiles(1, 2))
    assert ids(read(path, state=first.state)) == [1, 2]


def test_a_link_is_followed_in_a_folder_and_in_a_glob(tmp_path: Path) -> None:
    put_days(tmp_path / "real", 1)
    (tmp_path / "in").mkdir()
    name = name_of("PROFILE", 1)
    (tmp_path / "in" / name).symlink_to(tmp_path / "real" / name)
    assert ids(read(tmp_path / "in")) == [1, 101]
    assert ids(read(tmp_path / "in" / "*.zip")) == [1, 101]


def test_any_url_of_fsspec_will_do(memory: str) -> None:
    pipe(f"{memory}/2026/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    pipe(f"{memory}/{name_of('PROFILE', 2, 'csv')}", profiles(2))
    first = read(memory)
    assert ids(first) == [1, 2]
    assert ids(read(memory, state=first.state)) == []
    pipe(f"{memory}/{name_of('PROFILE', 3)}", zipped(profiles(3)))
    assert ids(read(memory, state=first.state)) == [3]
    assert ids(read(f"{memory}/*.csv")) == [2]
    assert ids(read(f"{memory}/{name_of('PROFILE', 3)}")) == [3]
    missing = read(f"{memory}/nowhere", code=1)
    check_failure(missing, f"{PUSHED}there is no folder or file '{memory}/nowhere'")


def test_hidden_and_other_files_are_left_alone_and_told_of_once(tmp_path: Path) -> None:
    put_days(tmp_path, 1)
    for name in (".2_512_PROFILE_20260302.zip", ".unfinished-1"):
        put(tmp_path, name, b"x")
    assert "data_push_path: ignored" not in read(tmp_path).stderr
    for name in ("2_512_PROFILE_20260302.zip.part", "readme.txt", "2_512_PROFILE_20261301.csv"):
        put(tmp_path, name, b"x")
    result = read(tmp_path)
    assert ids(result) == [1, 101]
    told = [line for line in result.stderr.splitlines() if "data_push_path: ignored" in line]
    assert len(told) == 1
    assert "ignored 3 files whose names are not like 2_512_PROFILE_20261119.zip" in told[0]
    assert told[0].endswith(" (first: '2_512_PROFILE_20260302.zip.part')")


@pytest.mark.parametrize("hidden", [".~tmp~", ".rsync-partial", ".snapshot/daily", "a/.trash"])
def test_files_in_hidden_folders_are_left_alone(tmp_path: Path, bucket: str, hidden: str) -> None:
    put_days(tmp_path / ".feeds" / "in", 1)
    put(tmp_path / ".feeds" / "in" / hidden, name_of("PROFILE", 2), b"PK unfinished")
    pipe(f"{bucket}/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    pipe(f"{bucket}/{hidden}/{name_of('PROFILE', 2)}", b"PK unfinished")

    assert ids(read(tmp_path / ".feeds" / "in")) == [1, 101]
    assert ids(read(bucket)) == [1]
    assert ids(read(f"{bucket}/{name_of('PROFILE', 1)}")) == [1]


def test_objects_that_mark_folders_are_no_files(bucket: str) -> None:
    # As the consoles of object stores make them for a new folder (fsspec/s3fs#983).
    Bucket.markers |= {f"{Bucket.root(bucket)}/", f"{Bucket.root(bucket)}/2026/"}
    result = read(bucket)
    assert "push_users: no files of this feed were found" in result.stderr
    pipe(f"{bucket}/2026/{name_of('PROFILE', 1)}", zipped(profiles(1)))
    result = read(bucket)
    assert ids(result) == [1]
    assert "ignored" not in result.stderr


@pytest.mark.parametrize("name", ["exports [prod]", "a #1?x+y%20 z", "[!a]*"])
def test_a_folder_may_be_called_like_a_glob(tmp_path: Path, name: str) -> None:
    # filesystem_spec#838, #1476
    put_days(tmp_path / name, 1)
    assert ids(read(tmp_path / name)) == [1, 101]


def test_a_missing_folder_is_told_once_for_all_feeds(tmp_path: Path) -> None:
    result = read(tmp_path / "nowhere", "push_users", "push_redemptions", code=1)
    check_failure(result, f"{PUSHED}there is no folder or file '{tmp_path}/nowhere'")
    assert result.last_line.count("nowhere") == 1


def test_who_may_look_into_a_url_is_told_to_nobody(tmp_path: Path) -> None:
    url = f"file://user:canary@{tmp_path}/nowhere?key=canary"
    result = read(url, code=1)
    assert "nowhere" in result.last_line
    assert "canary" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "path",
    [
        "*.csv",
        "nowhere/*.zip",
    ],
)
def test_a_glob_that_matches_nothing_is_told(tmp_path: Path, path: str) -> None:
    put_days(tmp_path, 1)
    check_failure(read(tmp_path / path, code=1), f"{PUSHED}no file matches '{tmp_path / path}'")


def test_a_folder_with_other_files_only_is_told(tmp_path: Path) -> None:
    put(tmp_path, "members.csv", profiles(1))
    check_failure(
        read(tmp_path, code=1),
        f"{PUSHED}no file in '{tmp_path}' has a name such as 2_512_PROFILE_20261119.zip; it "
        "contains, for example, 'members.csv'",
    )


def test_a_folder_that_is_still_empty_is_no_failure(tmp_path: Path) -> None:
    result = read(tmp_path)
    assert not result.records
    assert "push_users: no files of this feed were found" in result.stderr


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_folder_that_was_emptied_is_a_failure_and_costs_nothing(
    tmp_path: Path, method: str
) -> None:
    put_days(tmp_path / "in", 1)
    catalog = with_method(method, "push_users", "push_redemptions")
    first = read(tmp_path / "in", catalog=catalog)
    (tmp_path / "empty").mkdir()
    second = read(tmp_path / "empty", catalog=catalog, state=first.state, code=1)
    check_failure(
        second,
        f"{PUSHED}has no file for `push_users`, although earlier runs have read some (the last: "
        "'2_512_PROFILE_20260301.zip'); check the path, and that files",
    )
    assert "`push_redemptions`" not in second.last_line, "of which none was ever there"
    assert second.state["bookmarks"]["push_users"] == first.state["bookmarks"]["push_users"]


def test_files_of_two_programs_are_not_mixed(tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 1), profiles(1))
    put(tmp_path, name_of("USER_ACTIVITY", 1, client="77"), profiles(1))
    check_failure(
        read(tmp_path, code=1),
        f"{PUSHED}contains files of several programs (512, 77)",
        "such as …/*_512_*",
    )
    assert ids(read(tmp_path / "*_512_*")) == [1]


def test_a_file_of_data_push_with_a_date_to_come_is_named_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    put_days(tmp_path, 10, 12)  # a file may be ahead of a clock, and of a time zone
    first = read(tmp_path)
    put_days(tmp_path, 13, 14)
    second = read(tmp_path, state=first.state, code=1)
    assert ids(second) == [1, 113]
    check_failure(
        second,
        f"{PUSHED}the name of '2_512_PROFILE_20260314.zip' has a date in the future, so the "
        "file was not read (1 in all); rename or remove it, or correct the clock",
    )
    third = read(tmp_path, state=second.state, present=PRESENT + timedelta(days=1))
    assert ids(third) == [1, 114]
    checked = read(tmp_path, option="--test", code=1)
    assert "FAIL  push_users" in checked.stdout
    assert "'2_512_PROFILE_20260314.zip' has a date in the future" in checked.stdout


def test_a_file_whose_name_is_nearly_right_is_named_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    put_days(tmp_path, 1, 3)
    path = put(tmp_path, "2_512_PROFILE_20260302 (1).zip", profiles(102))
    first = read(tmp_path, code=1)
    assert ids(first) == [1, 101, 1, 103]
    check_failure(
        first,
        f"{PUSHED}the name of '2_512_PROFILE_20260302 (1).zip' is close to that of a PROFILE file",
        "(1 in all); rename it to '2_512_PROFILE_20260302.zip', or remove it",
    )
    assert "is close to that" in read(tmp_path, option="--test", code=1).stdout
    assert read(tmp_path, "push_redemptions").exit_code == 0, "that is another feed"
    path.rename(tmp_path / name_of("PROFILE", 2))
    assert ids(read(tmp_path, state=first.state)) == [102, 1, 103]


@pytest.mark.parametrize("year", ["9999", "2099"])
def test_a_batch_file_with_a_date_to_come_is_read_once(tmp_path: Path, year: str) -> None:
    put(tmp_path, "activities_512_20260310000000.txt", b"|1|||5\n")
    put(tmp_path, f"activities_512_{year}1231235959.txt", b"|2|||5\n")
    first = read(tmp_path, BATCH, setting="batch_activity_path")
    put(tmp_path, "activities_512_20260311000000.txt", b"|3|||5\n")
    second = read(tmp_path, BATCH, setting="batch_activity_path", state=first.state)

    assert "file names with a future date: 1 (first: 'activities_512_" in first.stderr
    assert [row["user_id"] for row in first.records[BATCH]] == [2, 1]
    assert [row["user_id"] for row in second.records[BATCH]] == [3]


@pytest.mark.parametrize("ending", ["zip", "csv"])
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, guarded: str, ending: str) -> None:
    put_days(tmp_path, 1, 2, 3, ending=ending)
    name = name_of("PROFILE", 2, ending)
    Guarded.closed.add(name)
    result = read(guarded, code=1)
    check_failure(result, f"{PUSHED}{name!r} cannot be opened: Permission denied; check that")
    assert ids(result) == [1, 101]
    Guarded.closed.clear()
    assert ids(read(guarded, state=result.state)) == [1, 102, 1, 103]


def test_a_batch_file_that_may_not_be_read_is_told(tmp_path: Path, guarded: str) -> None:
    name = "activities_512_20260310000000.txt"
    put(tmp_path, name, b"a@b.test||||1\n")
    Guarded.closed.add(name)
    result = read(guarded, BATCH, setting="batch_activity_path", code=1)
    said = f"Setting `batch_activity_path`: {name!r} cannot be read: Permission denied"
    check_failure(result, said)


def test_a_listing_that_is_remembered_hides_no_new_file(tmp_path: Path, guarded: str) -> None:
    put_days(tmp_path, 1)
    first = read(guarded)
    put_days(tmp_path, 2)
    assert ids(read(guarded, state=first.state)) == [1, 102]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_that_may_not_be_looked_into_is_told(
    tmp_path: Path, guarded: str, depth: int
) -> None:
    put_days(tmp_path, 1)
    put_days(tmp_path / "2026" / "03", 2)
    Guarded.closed.add([tmp_path.name, "2026", "03"][depth])
    result = read(guarded, code=1)
    check_failure(result, f"{PUSHED}cannot read 'guarded://{tmp_path}': Permission denied")
    assert not result.records, "else the files in it would seem to have been cleared away"


@pytest.mark.parametrize("url", ["nosuch://user:canary@host/in", "ftp://u:canary@127.0.0.1:1/in"])
def test_a_url_that_cannot_be_opened_is_told_without_what_it_holds(url: str) -> None:
    result = read(url, code=1)
    check_failure(result, f"{PUSHED}cannot ")
    assert "canary" not in result.stderr


def test_slots_are_days_and_back(tmp_path: Path) -> None:
    put_days(tmp_path, 9, 10)
    first, second = FileSource(str(tmp_path), DATA_PUSH).files(PRESENT)
    assert second.period == first.period + 1
    assert second.timestamp == first.timestamp + timedelta(days=1)
    assert DATA_PUSH.describe_period(second.period) == f"{second.timestamp:%Y-%m-%d}"


def test_a_folder_that_goes_is_an_error_of_the_setting(tmp_path: Path) -> None:
    folder = FileSource(str(tmp_path / "in"), DATA_PUSH)
    with pytest.raises(SettingError):
        folder.files(PRESENT)
    put_days(tmp_path / "in", 1)
    assert len(folder.files(PRESENT)) == 1, "what was found before is not remembered"
