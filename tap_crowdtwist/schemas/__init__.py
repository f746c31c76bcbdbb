"""JSON Schemas of the streams, one file each.

Every property, nested ones too, has a `description` and an `x-sensitivity`:

* `credential`: lets somebody act as the member. Never emitted.
* `spendable`: a code worth money to whoever holds it. Not emitted unless asked for.
* `direct_identifier`: names a person or leads to one.
* `personal`: describes a person, or holds what only the program can tell.
* `business`: the catalog, points, CrowdTwist's own numbers, flags, instants.

What follows from that is decided in `privacy`.

The files share parts by one rule: `"$ref": "file.json#/path"` stands for the members of the object
that it points to, in its place, and members that follow it win over those of the same name. The
rule also holds among the members of `properties`, where it shares a whole group of them. Targets
do not resolve references, so the functions below return schemas without any.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache, lru_cache
from importlib import resources
from typing import Any

# Read against a name in lower snake case.
CREDENTIAL_NAME = re.compile(
    r"""
      password | passwd | passphrase                       # wherever they stand
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
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
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


def annotated(stream: str) -> dict[str, Any]:
    """Return the whole schema of a stream, sensitivities and withheld properties included.

    It is what the tap itself works from. Every call returns a copy of its own.
    """
    return copy.deepcopy(tagged(stream))


@lru_cache(maxsize=1024)
def is_credential_name(name: str) -> bool:
    """Tell whether the name of a property that no schema knows says that it is a credential.

    Names are compared word by word, in snake case or camel case: `accessToken` and `api_key` are
    credentials; `token_count` and `secretary` are not. A doubtful name counts as a credential, for
    a column that is missing can be added, and one that has leaked cannot be called back. Properties
    that a schema knows are judged by their `x-sensitivity` alone.
    """
    return CREDENTIAL_NAME.search(snake_case(name)) is not None


def snake_case(name: str) -> str:
    """Spell a name in lower snake case."""
    return _SEPARATORS.sub("_", _CAMEL_HUMP.sub("_", name)).strip("_").lower()


@cache
def _file(name: str) -> dict[str, Any]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def tagged(stream: str) -> dict[str, Any]:
    """Return what `annotated` does, the same object every time: for reading only."""
    schema: dict[str, Any] = _inlined(_file(f"{stream}.json"))
    return schema


def _inlined(node: Any) -> Any:
    """Return a copy of a node in which every reference is replaced by what it points to."""
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
