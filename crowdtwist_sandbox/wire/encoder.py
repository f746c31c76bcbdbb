"""The encoder of canonical rows into objects as the API sends them, with or without drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.wire import drift
from crowdtwist_sandbox.wire.encodings import TEXT
from crowdtwist_sandbox.wire.fields import FIELDS
from crowdtwist_sandbox.world.deterministic_random import MASK

if TYPE_CHECKING:
    from crowdtwist_sandbox.wire.encodings import Form
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.program import Row

_NULLS_LEFT_OUT = 6  # one row in so many leaves its nulls out


class Encoder:
    """The encoder of one stream; every choice depends on the row's seed, so it never changes."""

    def __init__(self, stream: str, *, drift: bool) -> None:
        self._stream = stream
        self._drift = drift
        self._plain = {name: kind.plain for name, kind in FIELDS[stream].items()}
        self._drifts: dict[str, tuple[int, tuple[Form, ...]]] = {
            name: (2 * number + 1, kind.drifts)
            for number, (name, kind) in enumerate(FIELDS[stream].items())
        }

    def encode(self, row: Row, seed: int, member: Member | None = None) -> Row:
        """Return the row as it is sent."""
        if not self._drift:
            plain = self._plain
            same = TEXT.plain
            return {
                name: None if value is None else plain.get(name, same)(value)
                for name, value in row.items()
            }
        sent: dict[str, Any] = {}
        drifts = self._drifts
        keep_nulls = seed % _NULLS_LEFT_OUT != 0
        for name, value in row.items():
            if value is None:
                if keep_nulls:
                    sent[name] = None
            elif name in drifts:
                factor, forms = drifts[name]
                # An odd factor per field varies the choices without a hash per field.
                sent[name] = forms[((seed * factor & MASK) >> 40) % len(forms)](value)
            else:
                sent[name] = value
        return drift.apply(self._stream, row, sent, seed, member)
