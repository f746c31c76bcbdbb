"""Table versions of the records of members who changed, where `vanished_rows` is forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.changed_members import Brand, Row
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Listener(Brand):
    """A brand that remembers what the last run wrote."""

    written: Sequence[dict[str, Any]] = ()

    @override
    def load(self, messages: list[dict[str, Any]]) -> dict[str, list[Row]]:
        self.written = messages
        return super().load(messages)

    def versions(self, kind: str, stream: str) -> set[int | None]:
        """The versions of the messages of a kind for a stream."""
        return {
            message.get("version")
            for message in self.written
            if message["type"] == kind and message["stream"] == stream
        }


def test_sweeps_of_the_changed_forget_nothing_and_carry_the_last_version(tmp_path: Path) -> None:
    """So the next sweep of all finds them older than its own, in every target."""
    settings: dict[str, Any] = {"vanished_rows": "forget"}
    with Listener(tmp_path, members=20) as brand:
        brand.deliver(0)
        assert not brand.run("all", **settings).said
        first = brand.entry("users")["roster"]["version"]
        assert brand.versions("RECORD", "users") == {first}

        brand.pass_day()
        outcome = brand.run("changed", **settings)
        kept = outcome.summary["users"]["vanished_rows"]
        assert kept == "only a sweep of all members shows what vanished"
        assert brand.versions("RECORD", "users") == {first}
        assert not brand.versions("ACTIVATE_VERSION", "users")
        assert brand.entry("users")["roster"]["version"] == first

        brand.pass_day()
        again = brand.run("all", **settings)
        assert again.summary["users"]["vanished_rows"] == "forgotten"
        (second,) = brand.versions("RECORD", "users")
        assert brand.versions("ACTIVATE_VERSION", "users") == {second}
        assert second is not None
        assert second > first
