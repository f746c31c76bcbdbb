"""A file may be larger than memory: what is held of it at a time is a few lines."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from support.harness import PRESENT, select
from support.push_files import ANYWHERE, name_of

from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.data_push import CsvTable
from tap_crowdtwist.files.folder import File

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MB = 1 << 20
MEASURE = """
import resource, sys
from tap_crowdtwist.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(f"\\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")
"""


def packed(block: bytes, times: int, head: bytes = b"id,notes\n") -> bytes:
    """A small zip of a large CSV."""
    content = BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.csv", "w") as part,
    ):
        part.write(head)
        for _ in range(times):
            part.write(block)
    return content.getvalue()


def used(content: bytes) -> tuple[int, int]:
    """Rows until the end or an error, and the bytes that were held at most."""
    file = File(name_of("PROFILE", 10), "", "PROFILE", PRESENT, 0, 0, "")
    rows = 0
    tracemalloc.start()
    try:
        with CsvTable(file, lambda _: BytesIO(content)) as table:
            for _ in table:
                rows += 1
    except FileError:
        rows = -rows
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return rows, peak


def peak_of_process(folder: Path, rows: int) -> int:
    """Megabytes that a run takes for a file of so many rows of 10 KB."""
    folder.mkdir()
    block = b"".join(b'%d,"%s"\n' % (n, b"x" * 10_000) for n in range(100))
    (folder / name_of("PROFILE", 10)).write_bytes(packed(block, rows // 100))
    for name, content in (
        ("config", {"data_push_path": str(folder / "*.zip")}),
        ("catalog", select("push_users", paths=ANYWHERE)),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    args = ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rsplit(b"\n", 1)[1])


def test_a_file_of_100_mb_takes_no_more_memory_than_one_of_1_mb(tmp_path: Path) -> None:
    small = peak_of_process(tmp_path / "small", 100)
    large = peak_of_process(tmp_path / "large", 10_000)
    assert large < small + 15, (small, large)


@pytest.mark.parametrize(
    ("block", "head"),
    [
        pytest.param(b"x" * MB, b"id,notes\n1,", id="a line without end"),
        pytest.param(b"x" * MB, b'id,notes\n1,"', id="in quotes"),
        pytest.param(b"x\n" * (MB // 2), b'id,notes\n1,"', id="a cell without end"),
        pytest.param(b"," * MB, b"id", id="a header without end"),
        pytest.param(b"x" * MB, b"id,notes\n1,\xff", id="not UTF-8, without end"),
        pytest.param(b"\n" * MB, b"id,notes\n1,\xff", id="not UTF-8, many lines"),
    ],
)
def test_memory_is_bounded_whatever_a_file_holds(block: bytes, head: bytes) -> None:
    rows, peak = used(packed(block, 40, head))
    assert rows == 0
    assert peak < 12 * MB
