"""A zip that is not what was sent ends the run with its name, and no bookmark goes past it."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.push_files import (
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    rows_in,
    table,
    zipped,
)

from tap_crowdtwist.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Result

ROWS = tuple(range(3500, 4000))
WHOLE = zipped(profiles(*ROWS))
AGAIN = "fetch the file again, or have it sent again"


def stored(content: bytes) -> bytes:
    """A zip without compression, in which a changed byte changes nothing but the sum."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("2_512_FEED.csv", content)
    return packed.getvalue()


def two_tables() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", profiles(1))
        archive.writestr("b.CSV", profiles(2))
    return packed.getvalue()


def with_flag(flag: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip that claims something of itself."""
    changed = bytearray(WHOLE)
    central = WHOLE.index(b"PK\x01\x02")
    for at in (6, central + 8):
        changed[at] |= flag
    for at in (8, central + 10):
        changed[at] = method
    return bytes(changed)


def broken(folder: Path, content: bytes) -> Result:
    """Read a broken file that lies between two sound ones, beside another feed."""
    put_days(folder, 1, 3)
    put(folder, name_of("USER_ACTIVITY", 2), table({"user_activity_id": 7}))
    put(folder, name_of("PROFILE", 2), content)
    result = read(folder, "push_users", "push_user_activities", code=1)
    check_failure(result, "Setting `data_push_path`: ", "'2_512_PROFILE_20260302.zip'")
    assert ids(result)[:2] == [1, 101], "what came before it counts"
    assert 103 not in ids(result), "what comes after it waits"
    assert len(result.records["push_user_activities"]) == 1, "other feeds are read"
    bookmarks = result.state["bookmarks"]
    assert bookmarks["push_users"]["replication_key_value"] == name_of("PROFILE", 1)
    return result


def check_mended(folder: Path, result: Result, content: bytes = WHOLE) -> None:
    put(folder, name_of("PROFILE", 2), content)
    assert ids(read(folder, state=result.state)) == [*ROWS, 1, 103]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"PK", f"is not a complete zip file; {AGAIN}", id="two bytes"),
        pytest.param(b"PK" + profiles(1), "is not a complete zip file", id="no zip"),
        pytest.param(WHOLE[:-1], "is not a complete zip file", id="without its end"),
        pytest.param(b"PK\x05\x06" + bytes(18), "contains 0", id="empty zip"),
        pytest.param(
            zipped(b"x", "readme.txt"), "should contain one CSV file but contains 0", id="none"
        ),
        pytest.param(
            two_tables(),
            f"should contain one CSV file but contains 2; {AGAIN}",
            id="two CSVs",
        ),
        pytest.param(with_flag(1), "is encrypted; have it sent without a password", id="encrypted"),
        pytest.param(with_flag(0, 97), "uses an unsupported compression method", id="method"),
        pytest.param(zipped(b""), "line 1 of", id="empty CSV"),
    ],
)
def test_what_is_no_zip_of_one_csv_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    result = broken(tmp_path, content)
    check_failure(result, said)
    check_mended(tmp_path, result)


def test_a_wrong_checksum_is_noticed_at_the_end(tmp_path: Path) -> None:
    content = profiles(*ROWS)
    result = broken(tmp_path, stored(content).replace(b"3999,N3999", b"3999,X3999", 1))
    check_failure(result, "is where the file is damaged or incomplete", AGAIN)
    check_mended(tmp_path, result)


def test_a_zip_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 3)
    for length in (0, 21, len(WHOLE) // 2, len(WHOLE) - 22):
        (tmp_path / name_of("PROFILE", 2)).write_bytes(WHOLE[:length])
        result = read(tmp_path, code=1)
        check_failure(result, "'2_512_PROFILE_20260302.zip' is not a complete zip file")
        assert ids(result) == [1, 101]
    check_mended(tmp_path, result)
    for length in range(len(WHOLE)):
        with pytest.raises(FileError, match="is not a complete zip file"):
            rows_in(WHOLE[:length])


@pytest.mark.parametrize("whole", [WHOLE, stored(profiles(*ROWS))], ids=["deflated", "stored"])
def test_a_byte_that_changed_anywhere_gives_the_right_rows_or_none_that_count(
    whole: bytes,
) -> None:
    right, sound, size = rows_in(whole), 0, len(whole)
    for at in range(0, size, max(1, size // 1500)):
        for bit in (0, 5, 7):
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            try:
                rows = rows_in(bytes(changed))
            except FileError as error:
                assert "2_512_PROFILE_20260310.zip" in str(error)  # noqa: PT017 - either will do
            else:
                assert rows == right
                sound += 1
    assert sound < size / 10, "only what names, dates and the like take in a zip"
