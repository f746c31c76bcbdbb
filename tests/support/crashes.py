"""Runs the real process against a sandbox, kills it, and goes on from the last STATE it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]


@dataclass
class Attempt:
    """One run of the process, to its end or to its death."""

    exit_code: int
    messages: list[dict[str, Any]]
    stderr: str

    @property
    def last_state(self) -> dict[str, Any] | None:
        """The last STATE that came out whole."""
        states = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1] if states else None

    @property
    def committed(self) -> list[dict[str, Any]]:
        """What a target may rely on: the messages up to the last STATE."""
        last = max((n for n, m in enumerate(self.messages) if m["type"] == "STATE"), default=-1)
        return self.messages[: last + 1]


@dataclass
class Warehouse:
    """A target that keeps a row by its key, the last one wins."""

    keys: dict[str, tuple[str, ...]]
    tables: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)

    def load(self, messages: list[dict[str, Any]]) -> None:
        """Take in the records of a run."""
        for message in messages:
            if message["type"] == "RECORD":
                stream, row = message["stream"], message["record"]
                key = tuple(row[name] for name in self.keys[stream])
                self.tables.setdefault(stream, {})[key] = row


def run_and_kill(
    folder: Path,
    config: dict[str, Any],
    state: dict[str, Any] | None,
    *,
    kill_after: int | None = None,
    sig: signal.Signals = signal.SIGKILL,
    catalog: dict[str, Any] | None = None,
) -> Attempt:
    """Run the tap, and send it a signal once it has written a number of bytes.

    Bytes instead of seconds: the moment then lies anywhere in the work, on any machine.

    Args:
        folder: where to put the files that the command line reads.
        config: the tap's configuration.
        state: where to go on, or None.
        kill_after: bytes of output after which to send the signal; None to let it finish.
        sig: the signal.
        catalog: the selection, or None for the default one.
    """
    args = [sys.executable, "-m", "tap_crowdtwist"]
    files = {"config": config, "state": state, "catalog": catalog}
    for name, content in files.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(path)]
    with (
        (folder / "stderr").open("w+b") as err,
        subprocess.Popen(args, stdout=subprocess.PIPE, stderr=err) as process,
    ):
        guard = threading.Timer(60, process.kill)
        guard.start()
        try:
            output = _read(process, kill_after, sig)
            code = process.wait()
        finally:
            guard.cancel()
        err.seek(0)
        return Attempt(code, _whole_lines(output), err.read().decode())


def _read(process: subprocess.Popen[bytes], limit: int | None, sig: signal.Signals) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while chunk := os.read(process.stdout.fileno(), 4096):
        output += chunk
        if limit is not None and len(output) >= limit:
            process.send_signal(sig)
            limit = None
    return bytes(output)


def _whole_lines(output: bytes) -> list[dict[str, Any]]:
    whole, newline, _ = output.rpartition(b"\n")
    return [json.loads(line) for line in whole.split(b"\n")] if newline else []
