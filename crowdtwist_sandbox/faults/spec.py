"""The parser of the option `faults`; the package's docstring describes the grammar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.faults.registry import ALL_FAULTS, PAGING_FAULTS, PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

_RULE = re.compile(r"(?P<name>\w+)(:(?P<amount>[^=@]*))?(=(?P<rate>[^@]*)|@(?P<number>.*))")
_MAX_PARAMETER = 3600  # seconds or megabytes
_KINDS = tuple(dict.fromkeys(entry.kind for entry in ALL_FAULTS.values()))
_MIXTURES: dict[str, tuple[str, ...]] = {
    "all": tuple(ALL_FAULTS),
    **{
        kind: tuple(name for name, entry in ALL_FAULTS.items() if entry.kind == kind)
        for kind in _KINDS
    },
}


class Rule(NamedTuple):
    """One part of a spec: its word, the faults it stands for, and when they occur.

    `amount` is the parameter, None for the default; `numbers` is empty where there is a rate.
    """

    word: str
    names: tuple[str, ...]
    amount: float | None
    rate: float
    numbers: frozenset[int]

    def only(self, *, paging_faults: bool) -> Rule:
        """Return the rule for paging faults only, or for all other faults only."""
        return self._replace(
            names=tuple(name for name in self.names if (name in PAGING_FAULTS) is paging_faults)
        )


def parse(spec: str) -> tuple[Rule, ...]:
    """Return the rules of a spec in order; none for an empty one.

    Raises:
        ValueError: the spec is invalid; the message says where.
    """
    return tuple(_rule(text) for text in _rules(spec))


def _rules(spec: str) -> Iterator[str]:
    """Split a spec at commas, except between request numbers."""
    rule = ""
    for part in filter(None, map(str.strip, spec.split(","))):
        if part.isdecimal() and "@" in rule:  # another number of `redirect@3,9`
            rule += f",{part}"
            continue
        if rule:
            yield rule
        rule = part
    if rule:
        yield rule


def _rule(text: str) -> Rule:
    read = _RULE.fullmatch(text)
    word = read["name"] if read else re.split("[:=@]", text, maxsplit=1)[0]
    names = _MIXTURES.get(word) or ((word,) if word in ALL_FAULTS else ())
    if not names:
        known = ", ".join(_MIXTURES | dict(ALL_FAULTS))
        raise ValueError(f"faults: {word} is unknown; known are {known}")
    if read is None:
        raise ValueError(f"faults: {word} needs a rate or request numbers, as {word}=0.1 or @3,9")
    rate, numbers = 0.0, frozenset[int]()
    if read["rate"] is not None:
        rate = _number(read["rate"], 1, f"the rate of {word}")
    else:
        texts = read["number"].split(",")
        if not all(each.isdecimal() and int(each) for each in texts):
            raise ValueError(f"faults: the request numbers of {word} must be 1 or more")
        numbers = frozenset(map(int, texts))
    amount = None
    if read["amount"] is not None:
        if word not in PARAMETERS:
            raise ValueError(f"faults: {word} takes no parameter; {', '.join(PARAMETERS)} do")
        amount = _number(read["amount"], _MAX_PARAMETER, f"the parameter of {word}")
    return Rule(word, names, amount, rate, numbers)


def _number(text: str, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"faults: {what} must be a number of 0 to {most}")
    return number
