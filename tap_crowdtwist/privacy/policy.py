"""Policy that decides, by the sensitivity of a property, whether and how it is emitted.

Every property of a schema is tagged (`schemas`). Credentials are never emitted. Values that can be
spent (coupon codes) are emitted only if `spendable_values` is keep. Properties that identify or
describe a person are kept, hashed or dropped as `sensitive_data` says. Open objects, whose members
the program defines, may contain anything, so under hash and drop they are dropped unless
`open_objects` names them.

A sensitive key is hashed where other properties are dropped, because a row without its key is
useless.
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

_WITHHELD_TAGS = {True: {"credential"}, False: {"credential", "spendable"}}
"""Tags of properties that are never emitted, by `Policy.spendable`."""

_PERSONAL_TAGS = {"direct_identifier", "personal", "spendable"}
_HASH_NOTE = " Hashed: HMAC-SHA-256 under `hash_key`, in hexadecimal."

_SPENDABLE_NAME = re.compile(
    r"(?:^|_) (?: codes? | coupons? | vouchers? | pins? | barcodes? | serials? | gift_?cards?"
    r" | downloads? | redeem | redemption | promos? | links? | urls? | value ) (?:_|$)",
    re.VERBOSE,
)
_LINK_NAMES = frozenset({"paging", "next_page", "prev_page", "previous_page"})
"""Names of links to other pages of a list, whose URLs contain the API key."""


def is_withheld_name(name: str) -> bool:
    """Return whether a property outside the schema is withheld because of its name."""
    return name in _LINK_NAMES or schemas.is_credential_name(name)


def is_withheld_or_spendable_name(name: str) -> bool:
    """Return the same in a stream with coupons, where names of spendable values count too."""
    return is_withheld_name(name) or bool(_SPENDABLE_NAME.search(schemas.snake_case(name)))


class Action(enum.Enum):
    """The ways to treat a property."""

    KEEP = "keep"
    HASH = "hash"
    DROP = "drop"


@dataclass(frozen=True)
class Policy:
    """The user's choices about sensitive properties.

    Attributes:
        mode: `keep`, `hash` or `drop`, for properties that identify or describe a person.
        key: the secret key of the hashes.
        open_objects: open objects to keep whatever the mode, as `name` or `stream.name`.
        spendable: whether values that can be spent are treated as personal instead of withheld.
    """

    mode: str = "keep"
    key: bytes = b""
    open_objects: frozenset[str] = frozenset()
    spendable: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Policy:
        """Build a policy from a configuration, which may be incomplete, as in discovery."""
        return cls(
            str(config.get("sensitive_data") or "keep"),
            str(config.get("hash_key") or "").encode(),
            frozenset(map(str, config.get("open_objects") or ())),
            config.get("spendable_values") == "keep",
        )

    def pseudonymize(self, value: str) -> str:
        """Return the hash of a text, equal for equal texts in every stream and run with the key."""
        # The text as the target would store it; a lone surrogate could not be encoded.
        stored: str = json_text.make_storable(value)
        return hmac.digest(self.key, stored.encode(), hashlib.sha256).hex()

    def pseudonymize_digest(self, fingerprint: str) -> str:
        """Hash a fingerprint of personal values, unless these are kept.

        Without the key, anybody could recompute a fingerprint from guessed values.
        """
        return fingerprint if self.mode == "keep" else self.pseudonymize(fingerprint)

    def withheld_names(self, stream: str) -> Callable[[str], bool]:
        """Return a function that returns whether an unknown property is withheld by its name."""
        if self.spendable or not has_spendable(stream):
            return is_withheld_name
        return is_withheld_or_spendable_name

    def allows(self, stream: str, name: str) -> bool:
        """Return whether an open object may be emitted."""
        return self.mode == "keep" or bool({name, f"{stream}.{name}"} & self.open_objects)

    def action(self, stream: str, name: str, node: Mapping[str, Any], *, is_key: bool) -> Action:
        """Return how to treat a property.

        Args:
            stream: the stream that it belongs to.
            name: its name.
            node: its schema, with its tag.
            is_key: whether it is part of the stream's key.
        """
        tag = node.get(TAG)
        if tag in _WITHHELD_TAGS[self.spendable]:
            return Action.DROP
        if self.mode == "keep":
            return Action.KEEP
        if _is_open(node):
            return Action.KEEP if self.allows(stream, name) else Action.DROP
        # Members of an object have tags of their own.
        if tag not in _PERSONAL_TAGS or node.get("properties"):
            return Action.KEEP
        return Action.HASH if self.mode == "hash" or is_key else Action.DROP


KEEP = Policy()


def public_schema(stream: str, policy: Policy = KEEP) -> dict[str, Any]:
    """Return the schema for catalogs and SCHEMA messages: what is emitted, as it is emitted."""
    annotated = schemas.tagged(stream)
    return apply_policy(annotated, annotated, stream, policy)


def apply_policy(
    schema: Mapping[str, Any], annotated: Mapping[str, Any], stream: str, policy: Policy
) -> dict[str, Any]:
    """Return a schema without withheld properties, and with hashed ones as strings.

    Args:
        schema: the tap's own schema, or one from a catalog made under another policy.
        annotated: the tap's own schema, with tags.
        stream: the stream's name.
        policy: the policy to apply.
    """
    keys = frozenset(annotated.get("required", ()))
    return _apply_to_object(schema, annotated, stream, policy, keys)


def enforce(catalog: Catalog, policy: Policy) -> None:
    """Remove from a catalog, made under any policy, what this policy withholds."""
    for entry in catalog.streams:
        if entry.tap_stream_id not in schemas.names():
            continue
        annotated = schemas.tagged(entry.tap_stream_id)
        allowed = apply_policy(entry.schema.to_dict(), annotated, entry.tap_stream_id, policy)
        entry.schema = type(entry.schema).from_dict(allowed)


def has_spendable(stream: str) -> bool:
    """Return whether rows of a stream contain values that can be spent."""
    nodes = schemas.tagged(stream)["properties"].values()
    return any(node.get(TAG) == "spendable" for node in nodes)


def hasher(policy: Policy, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a converter that hashes the result of another one, so that equal values match."""

    def convert_and_hash(value: Any) -> Any:
        typed = convert(value)
        if typed is None:
            return None
        text = str(typed)
        return policy.pseudonymize(text.lower() if isinstance(typed, bool) else text)

    return convert_and_hash


def tag_unknown(name: str, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a property that a user added to a catalog, with the tag of its name.

    It may contain anything, so it is personal at least.
    """
    return {**node, TAG: "credential" if schemas.is_credential_name(name) else "personal"}


def _is_open(node: Mapping[str, Any]) -> bool:
    """Return whether a node is an open object, or an array of such objects."""
    if "array" in schemas.types_of(node):
        return schemas.is_open_object(node.get("items", {}))
    return schemas.is_open_object(node)


def _apply_to_object(
    node: Mapping[str, Any],
    tagged: Mapping[str, Any],
    stream: str,
    policy: Policy,
    keys: Iterable[str],
) -> dict[str, Any]:
    members = {}
    for name, member in node["properties"].items():
        own = tagged.get("properties", {}).get(name) or tag_unknown(name, member)
        action = policy.action(stream, name, own, is_key=name in keys)
        public = _apply_to_member(member, own, stream, policy, action)
        if public is not None:  # {} allows any value
            members[name] = public
    return {**_untagged(node), "properties": members}


def _apply_to_member(
    node: Mapping[str, Any], own: Mapping[str, Any], stream: str, policy: Policy, action: Action
) -> dict[str, Any] | None:
    """Return the schema of a property or of the items of one; None if nothing of it is emitted."""
    if action is Action.DROP:
        return None
    public = _untagged(node)
    if "items" in node:
        item, own_item = node["items"], own.get("items", node["items"])
        public["items"] = _apply_to_member(item, own_item, stream, policy, action)
        return public if public["items"] is not None else None
    if node.get("properties"):
        inner = _apply_to_object(node, own, stream, policy, ())
        return inner if inner["properties"] else None
    if action is Action.HASH:
        public = _hashed(node)
    return public


def _hashed(node: Mapping[str, Any]) -> dict[str, Any]:
    nullable = "null" in node.get("type", ())
    # A catalog from an earlier run may already have the note.
    description = node.get("description", "").removesuffix(_HASH_NOTE)
    return {
        "type": ["string", "null"] if nullable else "string",
        "description": description + _HASH_NOTE,
    }


def _untagged(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != TAG}
