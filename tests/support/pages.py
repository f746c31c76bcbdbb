"""Runs what the pages of the site show: their fenced blocks are read from there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from support.warehouses import Project

DOCS = Path(__file__).resolve().parents[2] / "docs"


_FENCE_OR_TITLE = re.compile(r"^```.*?^```$|^#+ ", re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The title of a page that begins so, and the text up to the next title."""
    pages = [path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))]
    (text,) = [part for page in pages for part in _sections(page) if part.startswith(title)]
    return text


def blocks(title: str, kind: str) -> list[str]:
    """The fenced blocks of a kind that follow a title of a page, up to the next title."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", section(title), re.DOTALL | re.MULTILINE)


def _sections(page: str) -> list[str]:
    """The title and text of each section of a page; a comment in a fenced block is no title."""
    marks = [match for match in _FENCE_OR_TITLE.finditer(page) if match[0].startswith("#")]
    ends = [*(match.start() for match in marks[1:]), len(page)]
    return [page[match.end() : end] for match, end in zip(marks, ends, strict=True)]


def block(title: str, kind: str) -> str:
    """The one fenced block of a kind under a title."""
    (only,) = blocks(title, kind)
    return only


def shell(pipeline: Project, title: str, **settings: str) -> None:
    """Run the commands of a recipe."""
    pipeline.command(["sh", "-eu", "-c", block(title, "console")], **settings)


def put_into_definition(pipeline: Project, title: str) -> None:
    """Put a recipe's lines under the extractor."""
    path = pipeline.root / "meltano.yml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    (extractor,) = definition["plugins"]["extractors"]
    extractor |= yaml.safe_load(block(title, "yaml"))
    path.write_text(yaml.safe_dump(definition), encoding="utf-8")


def put_into_env(pipeline: Project, title: str, *, old: str = "", new: str = "") -> None:
    """Put a recipe's lines into .env, in place of what the project says already."""
    text = block(title, "dotenv")
    for name in re.findall(r"^\w+(?==)", text, re.MULTILINE):
        pipeline.settings.pop(name, None)
    assert old in text
    text = text.replace(old, new)
    (pipeline.root / ".env").write_text(text, encoding="utf-8")
