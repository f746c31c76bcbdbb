"""Checks of each setting by itself against the declaration; no message contains a value."""

from __future__ import annotations

import difflib
import re
from contextlib import suppress
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
_CONVERTERS = {"integer": values.integer, "number": values.number}
_PROBLEMS = {"minimum": "must be at least {}", "maximum": "must be at most {}"}


def validate(config: MutableMapping[str, Any], declaration: Mapping[str, Any]) -> None:
    """Fill in every setting that is not set, with its default or None, and check each by itself.

    An empty text counts as not set, unless the values are listed. Numbers may be text, as they are
    in environment variables.

    Args:
        config: the configuration; changed in place.
        declaration: JSON Schema of the settings.

    Raises:
        SettingError: a setting is not as declared.
    """
    settings = declaration["properties"]
    for name in config.keys() - settings.keys():
        raise SettingError(name, f"is unknown{_similar(name, settings)}")
    if type(config.get("client_id")) is int:
        config["client_id"] = str(config["client_id"])
    for name, schema in settings.items():
        value = _normalize(config.get(name), schema)
        config[name] = schema.get("default") if value is None else value
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
    settings = declaration["properties"]
    whole = [name for name, schema in settings.items() if "integer" in schema["type"]]
    for name in whole:
        variable = f"{prefix}{name.upper()}"
        try:
            int(environ.get(variable, "").strip() or 0)  # a blank variable counts as not set
        except ValueError:
            raise SettingError(name, f"must be a whole number (as {variable} too)") from None


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
    # Meltano's own variables have two underscores, such as TAP_CROWDTWIST__SELECT.
    ours = {name for name in environ if re.match(rf"{prefix}(?!_)", name)}
    return sorted(ours - known - {f"{prefix}LOGLEVEL"})


def _similar(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean `{close[0]}`?" if close else "; `--about` lists all settings"


def _normalize(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value as a number if its type is one; None if it is not set.

    What is not a number becomes a text, if it is not one already, which the check that follows
    rejects. JSON Schema itself accepts infinities and NaN as numbers.
    """
    # Where values are listed, an empty text is a mistake: it may stand for the strictest of them.
    if value is None or (value == "" and "enum" not in schema):
        return None
    for name, convert in _CONVERTERS.items():
        if name in schema["type"]:
            with suppress(values.ConversionError):
                return convert(value)
            return str(value)
    return value


def _describe(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    if error.validator == "type":
        # `wanted` is one name or a list of names, and no name is a part of another.
        names = " or ".join(words for name, words in _TYPE_NAMES.items() if name in wanted)
        entry = [f" (entry {place + 1})" for place in error.absolute_path if type(place) is int]
        return f"must be {names}{''.join(entry)}"
    if error.validator == "enum":
        return f"must be one of {', '.join(map(str, filter(None, wanted)))}"
    problem = _PROBLEMS.get(str(error.validator), "is not as `tap-crowdtwist --about` describes it")
    return problem.format(wanted)
