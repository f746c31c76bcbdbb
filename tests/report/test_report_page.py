"""The page: complete, safe to publish, and always the same for the same marts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from support.marts import AWKWARD, MadeUpMarts

from crowdtwist_report import formatting
from crowdtwist_report.page import render_page

if TYPE_CHECKING:
    from pathlib import Path


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, found in self.tags if (value := found.get(attribute)) is not None]


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(MadeUpMarts().read(), "Loyalty program")


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def test_another_process_writes_the_same_bytes(page: str, tmp_path: Path) -> None:
    marts = MadeUpMarts()
    for rows in marts.tables.values():
        rows.reverse()
    output = tmp_path / "report.html"
    database = marts.save(tmp_path / "warehouse.duckdb")
    environment = {**os.environ, "PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"}
    options = ["--output", str(output), "--database", str(database)]
    command = [sys.executable, "-m", "crowdtwist_report", *options]

    subprocess.run(command, check=True, timeout=120, env=environment, cwd=tmp_path)

    assert output.read_bytes() == page.encode()


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 600_000


def test_nothing_in_the_page_runs_or_asks_for_anything(page: str, elements: Elements) -> None:
    assert not {"script", "iframe", "img", "object", "form", "base"} & {
        tag for tag, _ in elements.tags
    }
    assert not re.search(r"(?i)https?:|@import|url\(|javascript:", page)
    assert not elements.values("style")
    assert not [name for _, found in elements.tags for name in found if name.startswith("on")]
    assert {value for value in elements.values("href") if not value.startswith("#")} == {"data:,"}


def test_ids_are_unique_and_links_lead_to_one(elements: Elements) -> None:
    ids = elements.values("id")

    assert len(set(ids)) == len(ids)
    assert {value[1:] for value in elements.values("href") if value.startswith("#")} <= set(ids)


def test_charts_say_their_message_in_words(elements: Elements) -> None:
    labels = [found["aria-label"] for _, found in elements.tags if found.get("role") == "img"]

    assert len(labels) == 12
    assert all(re.search(r"\d", label or "") for label in labels)


def test_titles_of_the_program_are_text_and_nothing_else(page: str, elements: Elements) -> None:
    assert "<script" not in page
    for title in AWKWARD:
        assert formatting.title(title) in elements.text


def test_every_section_says_what_it_shows(page: str) -> None:
    leads = re.findall(r'<h2 [^>]*>[^<]+</h2>\n<p class="lead">(.*?)</p>', page)

    assert len(leads) == page.count("<section ") == 9
    assert all(re.fullmatch(r"[A-Z].{60,}\.", lead) for lead in leads)
