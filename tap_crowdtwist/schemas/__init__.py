"""JSON Schemas of the streams, one file each.

Every property, nested ones too, has a `description` and an `x-sensitivity`:

* `credential`: lets somebody act as the member. Never emitted.
* `spendable`: a code that is worth money to whoever has it. Not emitted unless requested.
* `direct_identifier`: identifies a person, or leads to one.
* `personal`: describes a person, or has content that the program defines.
* `business`: activities, rewards, badges, points, CrowdTwist's own ids, flags, timestamps.

`privacy` decides what happens to each of them.

The files share parts by one rule: `"$ref": "file.json#/path"` is replaced by the members of the
object that it points to, and members that follow it override those of the same name. The rule also
applies among the members of `properties`, where it shares a whole group of them. Targets do not
resolve references, so the functions below return schemas without any.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Matched against a name in lower snake case.
_CREDENTIAL_NAME = re.compile(
    r"""
      password | passwd | passphrase                       # anywhere in a name
    | (?:^|_) (?: o?auth\d* | authorization | authentication | bearer | jwt | pwd ) (?:_|$)
    | (?: api | access | private | secret | signing | encryption ) _?keys? \d* (?:_|$)
    | hash_?algorithm
    | (?:^|_) (?: session_?ids? | cookies? | t?otps? | pw | pins? | pass_?codes? | pass_?keys?
        | seeds? | security_answers? ) (?:_|$)
    | (?: tokens? | secrets? | (?:^|_) (?: salts? | credentials? ) ) \d*
      (?: _ (?: encrypted | hash | hashed | ids? | raw | value | v?\d+ ) )* $
    """,
    re.VERBOSE,
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\W_]+")


@cache
def names() -> tuple[str, ...]:
    """Return the names of all streams, sorted."""
    files = (file.name for file in resources.files(__name__).iterdir())
    return tuple(
        sorted(
            name.removesuffix(".json")
            for name in files
            if name.endswith(".json") and not name.startswith("_")
        )
    )


@lru_cache(maxsize=1024)
def is_credential_name(name: str) -> bool:
    """Return whether the name of a property outside the schema suggests a credential.

    Names are compared word by word, in snake case or camel case: `accessToken` and `api_key` are
    credentials; `token_count` and `secretary` are not. A doubtful name counts as a credential,
    because a missing column can be added later, but a leaked value cannot be recalled. For
    properties in the schema, only their `x-sensitivity` matters.
    """
    return _CREDENTIAL_NAME.search(snake_case(name)) is not None


def snake_case(name: str) -> str:
    """Return a name in lower snake case."""
    return _SEPARATORS.sub("_", _WORD_START.sub("_", name)).strip("_").lower()


def types_of(node: Mapping[str, Any]) -> list[str]:
    """Return the types that a node allows besides null; none if it allows any."""
    declared = node.get("type", [])
    types = [declared] if isinstance(declared, str) else declared
    return [name for name in types if name != "null"]


def is_open_object(node: Mapping[str, Any]) -> bool:
    """Return whether a node is an object whose members the program defines."""
    return "object" in types_of(node) and not node.get("properties")


@cache
def _file(name: str) -> dict[str, Any]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def tagged(stream: str) -> dict[str, Any]:
    """Return the complete schema of a stream, with sensitivities and withheld properties.

    The tap itself works with this schema. It is the same object every time; do not modify it.
    """
    schema: dict[str, Any] = _inlined(_file(f"{stream}.json"))
    return schema


def _inlined(node: Any) -> Any:
    """Return a copy of a node in which every reference is replaced by its target."""
    if isinstance(node, list):
        return [_inlined(item) for item in node]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "$ref":
            result.update(_referenced(value))
        else:
            result[key] = _inlined(value)
    return result


def _referenced(reference: str) -> dict[str, Any]:
    file, _, path = reference.partition("#/")
    node = _file(file)
    for step in path.split("/"):
        node = node[step]
    members: dict[str, Any] = _inlined(node)
    return members
