"""Each stream's catalog entry, kept as a file, so that a change of it is seen in review.

`pytest tests/test_catalogs.py --snapshot-update` writes the files anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.harness import INCREMENTAL, KEYS, OFF_BY_DEFAULT, STREAMS, discover, entry_of
from syrupy.extensions.json import JSONSnapshotExtension

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize("stream", [*STREAMS, "sync_runs"])
def test_the_catalog_entry_is_as_reviewed(stream: str, snapshot: SnapshotAssertion) -> None:
    assert entry_of(discover(), stream) == snapshot(extension_class=JSONSnapshotExtension)


def test_the_catalog_has_every_stream_of_the_api() -> None:
    assert {entry["tap_stream_id"] for entry in discover()["streams"]} == {*STREAMS, "sync_runs"}


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_replication_and_defaults_are_those_of_the_design(stream: str) -> None:
    entry = entry_of(discover(), stream)
    (whole,) = (each["metadata"] for each in entry["metadata"] if not each["breadcrumb"])
    assert entry["key_properties"] == list(KEYS[stream])
    assert entry.get("replication_key") == INCREMENTAL.get(stream)
    assert entry["replication_method"] == ("INCREMENTAL" if stream in INCREMENTAL else "FULL_TABLE")
    assert whole.get("selected-by-default", whole.get("selected")) is (stream not in OFF_BY_DEFAULT)


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_and_replication_keys_cannot_be_deselected(stream: str) -> None:
    inclusion = {
        each["breadcrumb"][-1]: each["metadata"]["inclusion"]
        for each in entry_of(discover(), stream)["metadata"]
        if len(each["breadcrumb"]) == 2
    }
    needed = {*KEYS[stream], *filter(None, [INCREMENTAL.get(stream)])}
    assert {name for name, kind in inclusion.items() if kind == "automatic"} == needed
