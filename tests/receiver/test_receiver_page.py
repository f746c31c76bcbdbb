"""The commands of the page about the receiver work as they stand, with a free port."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from support.harness import run_cli
from support.pages import DOCS, block
from support.receiver import KEY, receiving

from crowdtwist_receiver.options import ReceiverOptions

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (DOCS / "receiver.md").read_text(encoding="utf-8")
PROFILE = {"id": 1000003, "username": "ada", "redeemablePoints": 27}


def options_of(title: str) -> list[str]:
    """Options of the command under a title, without those that say where to listen and to store."""
    lines = block(title, "console").replace("\\\n", "").splitlines()
    (command,) = [line for line in lines if line.startswith("crowdtwist-receiver ")]
    words = shlex.split(command)[1:]
    for option in ("--directory", "--port"):
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    return words


def test_it_starts_in_three_lines_and_the_tap_reads_what_it_stores(tmp_path: Path) -> None:
    lines = block("Start the receiver", "console").splitlines()
    assert len(lines) == 3
    (variable,) = re.findall(r"(?m)^export (\w+)=…", lines[1])
    live = tmp_path / "live"
    with receiving(live, *options_of("Start the receiver"), secrets={variable: KEY}) as running:
        assert running.post("/live", PROFILE).status_code == 200
        assert running.post("/live", PROFILE, x_api_key="wrong").status_code == 401
        assert running.health().json()["events_stored"] == 1
    settings: dict[str, Any] = json.loads(block("Read the events", "json"))
    (setting,) = settings
    config = tmp_path / "config.json"
    config.write_text(json.dumps({setting: str(live)}), encoding="utf-8")

    result = run_cli("--config", config)

    assert result.exit_code == 0, result.stderr
    (row,) = result.records["live_users"]
    assert (row["id"], row["redeemable_points"]) == (1000003, 27)


def test_it_responds_with_a_third_party_id_to_allowed_networks_only(tmp_path: Path) -> None:
    (tmp_path / "brand").mkdir()
    hook = "def third_party_id(event):\n    return f'crm-{event[\"id\"]}'\n"
    (tmp_path / "brand" / "ids.py").write_text(hook, encoding="utf-8")
    options = options_of("Respond with a third-party id")
    with receiving(tmp_path / "live", *options, secrets={}, PYTHONPATH=str(tmp_path)) as running:
        allowed = running.post("/live", PROFILE, X_Forwarded_For="203.0.113.9")
        other = running.post("/live", PROFILE, X_Forwarded_For="198.51.100.9")

    assert allowed.json()["third_party_id"] == "crm-1000003"
    assert other.status_code == 403


def test_each_option_is_on_the_page_with_its_default() -> None:
    (table,) = re.findall(r"(?ms)^### Options\n(.*?)^### ", PAGE)
    rows: dict[str, str] = {}
    for line in table.strip().splitlines()[2:]:
        names, defaults, _ = (cell.strip() for cell in line.strip("|").split("|"))
        options = re.findall(r"`--([a-z-]+)`", names)
        values = defaults.split(", ") if defaults else [""] * len(options)
        rows |= dict(zip(options, values, strict=True))
    declared = {
        field.name.replace("_", "-"): field.default
        for field in fields(ReceiverOptions)
        if field.name != "directory"
    }

    assert set(rows) == {"directory", *declared}
    for name, default in declared.items():
        if default not in (None, (), False):
            assert rows[name] == str(default), name
