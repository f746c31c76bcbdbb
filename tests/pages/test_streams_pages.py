"""The pages on streams and columns name all of them."""

from __future__ import annotations

import re

from support.pages import DOCS

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import Policy, public_schema


def test_the_page_names_every_stream_of_the_tap() -> None:
    streams = re.findall(r"(?m)^\* \[`(\w+)`\]\(columns\.md#\1\): ", read_page("streams"))

    assert sorted(streams) == sorted(schemas.names())


def test_the_columns_of_every_stream_are_those_of_its_catalog_entry() -> None:
    sections = re.split(r"(?m)^## `(\w+)`$", read_page("columns"))[1:]
    listed = {
        name: re.findall(r"(?m)^\* `(\w+)` \(", section)
        for name, section in zip(sections[::2], sections[1::2], strict=True)
    }

    assert set(listed) == set(schemas.names())
    for name, columns in listed.items():
        emitted = public_schema(name, Policy(spendable=True))["properties"]
        assert columns == list(emitted)


def read_page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")
