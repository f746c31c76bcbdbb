"""What may leave the tap: the one place where a property's sensitivity becomes its fate.

Every property of a schema is tagged (`schemas`). Credentials never leave. Values that can be
spent (coupon codes) leave only if `spendable_values` says so. What names or describes a person is
kept, hashed or dropped as `sensitive_data` says. Objects whose members only the program knows may
hold anything, so beside hashing and dropping they are dropped unless `open_objects` names them.

A key that is sensitive is hashed where others are dropped: a row without its key is of no use.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import json_text, schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from singer_sdk.singerlib import Catalog

MODES = ("keep", "hash", "drop")
EXTRA = "additional_properties"
TAG = "x-sensitivity"

_PERSONAL = frozenset({"direct_identifier", "personal"})
_HASHED = " Hashed: HMAC-SHA-256 under `hash_key`, in hexadecimal."

_SPENDABLE_NAME = re.compile(
    r"(?:^|_) (?: codes? | coupons? | vouchers? | pins? | barcodes? | serials? | gift_?cards?"
    r" | downloads? | redeem | redemption | promos? | links? | urls? | value ) (?:_|$)",
    re.VERBOSE,
)
_LINKS = frozenset({"paging", "next_page", "prev_page", "previous_page"})
"""Links of a listing carry the API key."""


def is_withheld_name(name: str) -> bool:
    """Tell whether a property that no schema knows is withheld for its name."""
    return name in _LINKS or schemas.is_credential_name(name)


def is_withheld_or_spendable_name(name: str) -> bool:
    """Tell the same of one in a stream with coupons, where more names are suspicious."""
    return is_withheld_name(name) or bool(_SPENDABLE_NAME.search(schemas.snake_case(name)))


class Action(enum.Enum):
    """What becomes of a property."""

    KEEP = "keep"
    HASH = "hash"
    DROP = "drop"


@dataclass(frozen=True)
class Policy:
    """What the user wants done with sensitive properties.

    Attributes:
        mode: `keep`, `hash` or `drop`, for what names or describes a person.
        key: the secret under which values are hashed.
        open_objects: open objects to keep in spite of `mode`, as `name` or `stream.name`.
        spendable: whether values that can be spent are treated as personal, not withheld.
    """

    mode: str = "keep"
    key: bytes = b""
    open_objects: frozenset[str] = frozenset()
    spendable: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Policy:
        """Read a policy out of a configuration, which may be incomplete as for discovery."""
        return cls(
            str(config.get("sensitive_data") or "keep"),
            str(config.get("hash_key") or "").encode(),
            frozenset(map(str, config.get("open_objects") or ())),
            config.get("spendable_values") == "keep",
        )

    def pseudonymize(self, value: str) -> str:
        """Hash a text: the same for the same value, in every stream and run with this key."""
        stored: str = json_text.make_storable(value)
        return hmac.digest(self.key, stored.encode(), hashlib.sha256).hex()

    def pseudonymize_digest(self, fingerprint: str) -> str:
        """Hash what was itself made of personal values, unless these are kept."""
        return fingerprint if self.mode == "keep" else self.pseudonymize(fingerprint)

    def allows(self, stream: str, name: str) -> bool:
        """Tell whether an open object may leave."""
        return self.mode == "keep" or bool({name, f"{stream}.{name}"} & self.open_objects)

    def action(self, stream: str, name: str, node: Mapping[str, Any], *, is_key: bool) -> Action:
        """Decide about a property.

        Args:
            stream: the stream it belongs to.
            name: its name.
            node: its schema, with its tag.
            is_key: whether it is part of the stream's key.
        """
        tag = node.get(TAG)
        if tag == "credential" or (tag == "spendable" and not self.spendable):
            return Action.DROP
        if self.mode == "keep":
            return Action.KEEP
        if _is_open(node):
            return Action.KEEP if self.allows(stream, name) else Action.DROP
        if tag not in _PERSONAL and tag != "spendable":
            return Action.KEEP
        if node.get("properties"):
            return Action.KEEP  # its members have tags of their own
        return Action.HASH if self.mode == "hash" or is_key else Action.DROP


KEEP = Policy()


def public_schema(stream: str, policy: Policy = KEEP) -> dict[str, Any]:
    """Give the schema that catalogs and SCHEMA messages carry: what may leave, as it leaves."""
    annotated = schemas.tagged(stream)
    return apply_policy(annotated, annotated, stream, policy)


def apply_policy(
    schema: Mapping[str, Any], annotated: Mapping[str, Any], stream: str, policy: Policy
) -> dict[str, Any]:
    """Give a schema without what may not leave, and with what is hashed typed as text.

    Args:
        schema: the tap's own schema, or one from a catalog made under another policy.
        annotated: the tap's own schema, with tags.
        stream: the stream's name.
        policy: decides.
    """
    keys = frozenset(annotated.get("required", ()))
    return _object(schema, annotated, stream, policy, keys)


def enforce(catalog: Catalog, policy: Policy) -> None:
    """Take out of a catalog, made under whatever policy, what may not leave under this one."""
    for entry in catalog.streams:
        if entry.tap_stream_id not in schemas.names():
            continue
        annotated = schemas.tagged(entry.tap_stream_id)
        allowed = apply_policy(entry.schema.to_dict(), annotated, entry.tap_stream_id, policy)
        entry.schema = type(entry.schema).from_dict(allowed)
        gone = [at for at in entry.metadata if at and _absent(allowed, at)]
        for breadcrumb in gone:
            del entry.metadata[breadcrumb]


def _absent(schema: Mapping[str, Any], breadcrumb: tuple[str, ...]) -> bool:
    node: Any = schema
    for step in breadcrumb:
        node = node.get(step) if isinstance(node, dict) else None
    return node is None


def withheld(stream: str, policy: Policy = KEEP) -> frozenset[str]:
    """Give the names of the known top-level properties that are not emitted."""
    return frozenset(schemas.tagged(stream)["properties"]) - frozenset(
        public_schema(stream, policy)["properties"]
    )


def has_spendable(stream: str) -> bool:
    """Tell whether rows of a stream hold values that can be spent."""
    if stream not in schemas.names():
        return False
    nodes = schemas.tagged(stream)["properties"].values()
    return any(node.get(TAG) == "spendable" for node in nodes)


def hasher(policy: Policy, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Give a converter that hashes what another one makes of a value, in its one spelling."""

    def convert_and_hash(value: Any) -> Any:
        typed = convert(value)
        if typed is None:
            return None
        if isinstance(typed, bool):
            return policy.pseudonymize("true" if typed else "false")
        return policy.pseudonymize(str(typed))

    return convert_and_hash


def unknown(name: str, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tag a property that a user has added to a catalog: it may be anything."""
    return {**node, TAG: "credential" if schemas.is_credential_name(name) else "personal"}


def _is_open(node: Mapping[str, Any]) -> bool:
    kinds = node.get("type", ())
    if "array" in kinds:
        items = node.get("items") or {}
        return "object" in items.get("type", ()) and not items.get("properties")
    return "object" in kinds and not node.get("properties")


def _object(
    node: Mapping[str, Any],
    tagged: Mapping[str, Any],
    stream: str,
    policy: Policy,
    keys: Iterable[str],
) -> dict[str, Any]:
    members = {}
    for name, member in node["properties"].items():
        own = tagged.get("properties", {}).get(name) or unknown(name, member)
        action = policy.action(stream, name, own, is_key=name in keys)
        if action is not Action.DROP:
            members[name] = _member(member, own, stream, policy, action)
    kept = {name: member for name, member in members.items() if member is not None}
    return {**_untagged(node), "properties": kept}


def _member(
    node: Mapping[str, Any], own: Mapping[str, Any], stream: str, policy: Policy, action: Action
) -> dict[str, Any] | None:
    if "items" in node:
        items = _member(node["items"], own.get("items", node["items"]), stream, policy, action)
        return None if items is None else {**_untagged(node), "items": items}
    if node.get("properties"):
        inner = _object(node, own, stream, policy, ())
        return inner if inner["properties"] else None
    if action is Action.HASH:
        nullable = "null" in node.get("type", ())
        said = node.get("description", "")
        return {
            "type": ["string", "null"] if nullable else "string",
            "description": said if said.endswith(_HASHED) else said + _HASHED,
        }
    return _untagged(node)


def _untagged(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != TAG}
