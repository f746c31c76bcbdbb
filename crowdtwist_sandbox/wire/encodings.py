"""The formats in which a value may be sent, and its canonical form.

CrowdTwist sends the same kind of value as `123` or `"123"`, as `1`, `true` or `"1"`, as epoch
seconds or as ISO 8601, depending on resource and version. A Kind has the documented format of a
field, and the formats it may drift to. None of them loses information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from crowdtwist_sandbox.world.timestamps import clock_text, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    Form = Callable[[Any], Any]


class Kind(NamedTuple):
    """The formats of a field's values.

    `plain` is the documented format, `drifts` are the formats to choose from under drift (one that
    is listed twice is twice as likely), `canonical` is the form in `expected_rows`.
    """

    plain: Form
    drifts: tuple[Form, ...]
    canonical: Form


def _same(value: Any) -> Any:
    return value


def _number_text(value: bool) -> str:  # noqa: FBT001 - it is the value itself
    return "1" if value else "0"


def _iso_millis(timestamp: int) -> str:
    return clock_text(timestamp) + ".000Z"


def _iso_offset(timestamp: int) -> str:
    return clock_text(timestamp) + "+00:00"


def _iso_new_york(timestamp: int) -> str:
    return clock_text(timestamp - 4 * 3600) + "-04:00"


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_EPOCHS: tuple[Form, ...] = (_same, str)
_ISOS: tuple[Form, ...] = (rfc3339, _iso_millis, _iso_offset, _iso_new_york)

TEXT = Kind(_same, (_same,), _same)
ID = Kind(_same, (_same, str), _same)
ID_TEXT = Kind(str, (_same, str), _same)
TEXT_ID = Kind(_same, (_same, int), _same)
COUNT = Kind(_same, (_same,) * 7 + (str,), _same)  # one in eight is sent as text
NUMBER = Kind(_same, (_same, _whole), _same)
FLAG = Kind(bool, (bool, int, _number_text), bool)
FLAG_INT = Kind(int, FLAG.drifts, bool)
FLAG_TEXT = Kind(_number_text, FLAG.drifts, bool)
EPOCH = Kind(_same, _EPOCHS + _ISOS, rfc3339)
EPOCH_TEXT = Kind(str, EPOCH.drifts, rfc3339)
ISO = Kind(rfc3339, EPOCH.drifts, rfc3339)
ISO_MILLIS = Kind(_iso_millis, EPOCH.drifts, rfc3339)
ISO_ONLY = Kind(rfc3339, _ISOS, rfc3339)
BIRTHDAY = Kind(_same, (_same, str, rfc3339), lambda timestamp: clock_text(timestamp)[:10])
OPEN = Kind(_same, (_same, _same, _same, _json_text), _same)


def nested(fields: dict[str, Kind]) -> Kind:
    """Return the kind of an object (or a list of objects) with fields of their own kinds.

    Under drift, one number selects the formats of all its fields.
    """
    # Not all combinations of the fields' formats, which would be too many to prepare.
    width = 4  # number of combined formats

    def writer(choose: Callable[[Kind], Form]) -> Form:
        # Chosen once per kind, not for each row.
        forms = {name: choose(kind) for name, kind in fields.items()}

        def write(value: Any) -> Any:
            if isinstance(value, list):
                return [write(each) for each in value]
            return {
                name: forms[name](each) if name in forms and each is not None else each
                for name, each in value.items()
            }

        return write

    def drifted(number: int) -> Form:
        return writer(lambda kind: kind.drifts[number % len(kind.drifts)])

    return Kind(
        writer(lambda kind: kind.plain),
        tuple(drifted(number) for number in range(width)),
        writer(lambda kind: kind.canonical),
    )
