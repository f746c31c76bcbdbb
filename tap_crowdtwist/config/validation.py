"""Checks of each setting by itself against the declaration; no message contains a value."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.records import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from jsonschema import ValidationError

_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def validate(config: MutableMapping[str, Any], declaration: Mapping[str, Any]) -> None:
    """Fill in defaults and check each setting by itself.

    Numbers may be text, as they are in environment variables.

    Args:
        config: the configuration; changed in place.
        declaration: JSON Schema of the settings.

    Raises:
        SettingError: a setting is not as declared.
    """
    for name in config.keys() - declaration["properties"].keys():
        raise SettingError(name, f"is unknown{_similar(name, declaration['properties'])}")
    for name, schema in declaration["properties"].items():
        value = config.get(name)
        if {"integer", "number"} & set(schema["type"]):
            value = _number(value, whole="integer" in schema["type"])
            if name in config:
                config[name] = value
        if value is None and "default" in schema:
            config[name] = schema["default"]
        elif name == "client_id" and isinstance(value, int) and not isinstance(value, bool):
            config[name] = str(value)
    for error in Draft202012Validator(dict(declaration)).iter_errors(dict(config)):
        raise SettingError(str(error.absolute_path[0]), _describe(error))


def check_environment(
    environ: Mapping[str, str], prefix: str, declaration: Mapping[str, Any]
) -> None:
    """Check the environment variables of integer settings.

    The SDK converts them itself, and its error for other text does not name the variable.

    Args:
        environ: the environment.
        prefix: the common prefix of the tap's variables.
        declaration: JSON Schema of the settings.

    Raises:
        SettingError: a variable that should hold a whole number does not.
    """
    for name, schema in declaration["properties"].items():
        value = (
            environ.get(f"{prefix}{name.upper()}", "").strip() or "0"
        )  # a blank variable counts as not set
        if "integer" in schema["type"] and not _is_convertible(value):
            raise SettingError(name, f"must be a whole number (as {prefix}{name.upper()} too)")


def blank_variables(
    environ: Mapping[str, str], prefix: str, declaration: Mapping[str, Any]
) -> list[str]:
    """Return the settings whose environment variables are blank and therefore count as not set."""
    names = declaration["properties"]
    return [name for name in names if not environ.get(f"{prefix}{name.upper()}", "-").strip()]


def unknown_variables(
    environ: Mapping[str, str], prefix: str, declaration: Mapping[str, Any]
) -> list[str]:
    """Return the environment variables that look like settings but are not."""
    known = {f"{prefix}{name.upper()}" for name in declaration["properties"]}
    known.add(f"{prefix}LOGLEVEL")
    # Meltano's own variables have two underscores, such as TAP_CROWDTWIST__SELECT.
    ours = (name for name in environ if name.startswith(prefix))
    return sorted(name for name in ours if name not in known and not name.startswith(f"{prefix}_"))


def _similar(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean `{close[0]}`?" if close else "; `--about` lists all settings"


def _is_convertible(text: str) -> bool:
    """Return whether `int` accepts a text; it accepts fewer forms than `values.integer`."""
    try:
        int(text)
    except ValueError:
        return False
    return True


def _number(value: Any, *, whole: bool) -> Any:
    """Convert a number given as text; blank text becomes None, and other values stay as they are.

    The check that follows rejects those that are not numbers.
    """
    if isinstance(value, str):
        try:
            return values.integer(value) if whole else values.number(value)
        except values.ConversionError:
            return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def _describe(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    if error.validator == "type":
        types = [wanted] if isinstance(wanted, str) else wanted
        names = " or ".join(_TYPE_NAMES[kind] for kind in types if kind != "null")
        entry = [f" (entry {place + 1})" for place in error.absolute_path if type(place) is int]
        return f"must be {names}{''.join(entry)}"
    if error.validator == "enum":
        return f"must be one of {', '.join(map(str, filter(None, wanted)))}"
    if error.validator == "minimum":
        return f"must be at least {wanted}"
    if error.validator == "maximum":
        return f"must be at most {wanted}"
    return "is not as `tap-crowdtwist --about` describes it"
