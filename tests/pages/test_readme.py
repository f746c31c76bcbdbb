"""The README fits one screen; what it and the pages link to is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.harness import DEFAULT_STREAMS
from support.pages import DOCS

from scripts import parts, recording
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS, runs

if TYPE_CHECKING:
    from pathlib import Path

ROOT = DOCS.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")])
URLS = parts.project_urls()
REPOSITORY, SITE = URLS["Repository"], URLS["Documentation"]


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_readme_shows_the_commands(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.search(rf"^{command}\b", readme, re.MULTILINE)
    assert f"\n{command.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_readme_fits_one_screen_and_names_every_stream() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| .*", readme, re.MULTILINE))

    assert len(readme.encode()) <= 9000
    assert set(re.findall(r"`(\w+)`(?!¹)", rows)) == {
        *DEFAULT_STREAMS,
        *(stream.name for stream in FILE_STREAMS),
    }
    assert set(re.findall(r"`(\w+)`¹", rows)) == {
        stream.name for stream in (*API_STREAMS, *runs.STREAMS) if not stream.selected_by_default
    }


def test_readme_shows_lines_of_the_recording() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?ms)^```\n(\[4/11\].*?)^```$", readme)
    recorded = recording.text().splitlines()

    assert [line for line in shown.splitlines() if line not in recorded] == []


def test_links_of_the_readme_to_the_site_lead_to_a_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    addresses = set(re.findall(r"\]\((.*?)\)", readme))
    pages = {path[len(SITE) :].rstrip("/") for path in addresses if path.startswith(SITE)}

    assert len(pages) > 10
    for page in pages - {""}:
        assert (DOCS / f"{page}.md").exists(), page
    assert all(address.startswith("https://") for address in addresses)


def test_readme_shows_pictures_of_the_repository() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", readme)
    raw = REPOSITORY.replace("//github.com/", "//raw.githubusercontent.com/")

    assert len(pictures) == 2
    for text, address in pictures:
        assert len(text) > 40
        assert address.startswith(f"{raw}main/")
        assert (ROOT / address.removeprefix(f"{raw}main/")).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_into_the_repository_lead_to_a_file(page: Path) -> None:
    link = re.compile(rf"{re.escape(REPOSITORY)}blob/main/([^)\s#]+)")

    for target in link.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_figure_is_still_to_be_filled_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"\b(?:TODO|TBD|XXX|[A-Z]+_(?:TABLE|PERCENT))\b", text) == []
