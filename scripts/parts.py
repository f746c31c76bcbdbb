"""The parts of pages, meltano.yml, plugin.yaml and .env.example that repeat the code.

`make docs` runs cog, which calls these functions from its markers in those files.
"""

from __future__ import annotations

import json
import textwrap
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any

import yaml

from tap_crowdtwist.config.schema import CONFIG_SCHEMA
from tap_crowdtwist.schemas import types_of
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS, STREAMS, runs
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_crowdtwist.streams.base import CrowdTwistStream

# Meltano reads a `decimal` as a Decimal, which it cannot write into the tap's config. The tap takes
# a number as text, too.
_KINDS = {"number": "string"}
_YAML_WIDTH = 92
_COMMAND_WIDTH = 80
_REQUIRED = ("api_key", "client_id", "user_ids_path")
"""Settings that a first sync needs, unless another setting replaces them."""

Schema = dict[str, Any]


def all_settings() -> dict[str, Schema]:
    """Return the settings of `--about`: the tap's own, then the SDK's."""
    return {**own_settings(), **_sdk_settings()}


def own_settings() -> dict[str, Schema]:
    """Return the settings that the tap declares itself."""
    properties: dict[str, Schema] = CONFIG_SCHEMA["properties"]
    # The SDK adds its settings to CONFIG_SCHEMA once the tap has run in this process.
    sdk = _sdk_settings()
    return {name: schema for name, schema in properties.items() if name not in sdk}


def _sdk_settings() -> dict[str, Schema]:
    declaration: dict[str, dict[str, Schema]] = {"properties": {}}
    TapCrowdTwist.append_builtin_config(declaration)
    return declaration["properties"]


def plugin_settings() -> str:
    """Render the settings in Meltano's format."""
    return _yaml([_plugin_setting(name, schema) for name, schema in all_settings().items()])


def _plugin_setting(name: str, schema: Schema) -> dict[str, Any]:
    setting: dict[str, Any] = {"name": name, "label": schema.get("title", name)}
    setting["kind"] = _kind(schema)
    if schema.get("secret"):
        setting["sensitive"] = True
    if "enum" in schema:
        setting["options"] = [{"label": value, "value": value} for value in schema["enum"]]
    if schema.get("default") is not None:
        setting["value"] = schema["default"]
    setting["description"] = schema["description"]
    return setting


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    name = types_of(schema)[0]
    return _KINDS.get(name, name)


def capabilities() -> str:
    """Render the tap's capabilities in Meltano's format."""
    return _yaml([capability.value for capability in TapCrowdTwist.capabilities])


def project_urls() -> dict[str, str]:
    """Return the addresses that pyproject.toml names, by their labels."""
    return dict(url.split(", ") for url in metadata("tap-crowdtwist").get_all("Project-URL") or ())


def plugin_origin() -> str:
    """Render where Meltano installs the tap from: the repository that pyproject.toml names."""
    repository = project_urls()["Repository"].rstrip("/")
    return _yaml({"pip_url": f"git+{repository}.git", "repo": repository})


def selection() -> str:
    """Render the streams that are on by default as Meltano's selection rules."""
    return _yaml(_selection_rules())


def commands_that_add_the_tap() -> str:
    """Render the commands that add the tap to a Meltano project beside the clone."""
    rules = textwrap.fill(json.dumps(_selection_rules())[1:-1], _COMMAND_WIDTH)
    return (
        "```console\n"
        "meltano add tap-crowdtwist --from-ref ../tap-crowdtwist/plugin.yaml --no-install\n"
        "meltano config set tap-crowdtwist _pip_url ../tap-crowdtwist\n"
        f"meltano config set tap-crowdtwist _select '[\n{textwrap.indent(rules, '  ')}]'\n"
        "meltano install tap-crowdtwist\n"
        "```\n"
    )


def _selection_rules() -> list[str]:
    """Return the rules for the streams that are on by default.

    At every run, Meltano warns of a rule for a stream that the catalog lacks, but not of a pattern.
    Streams of files are in the catalog only if their setting is set, so they get patterns.
    """
    on = [stream for stream in STREAMS if stream.selected_by_default]
    rules = [
        f"{stream.name.partition('_')[0]}_*.*" if stream in FILE_STREAMS else f"{stream.name}.*"
        for stream in on
    ]
    return list(dict.fromkeys(rules))


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_YAML_WIDTH)


def streams_list(*, on: bool) -> str:
    """Render the streams of the API that are on by default, or those that are off."""
    return _listed(stream for stream in API_STREAMS if stream.selected_by_default is on)


def runs_list() -> str:
    """Render the stream of runs."""
    return _listed(runs.STREAMS)


def feeds_list(setting: str) -> str:
    """Render the streams that are read from the files of a setting."""
    return _listed(stream for stream in FILE_STREAMS if stream.naming.setting == setting)


def _listed(streams: Iterable[type[CrowdTwistStream]]) -> str:
    return "".join(
        f"* [`{stream.name}`](columns.md#{stream.name}): {_notes(stream)}\n" for stream in streams
    )


def _notes(stream: type[CrowdTwistStream]) -> str:
    summary = (stream.__doc__ or "").partition("\n\n")[0]
    return " ".join(f"{summary} {stream.page_note}".split())


def env_example() -> str:
    """Render every setting as an environment variable; required ones first and not commented out.

    They may stay empty if another setting replaces them: empty is the same as not set.
    """
    settings = all_settings()
    required = [_variable(name, settings.pop(name)) for name in _REQUIRED]
    others = [_variable(name, schema, mark="#") for name, schema in settings.items()]
    first = (
        "# REQUIRED for a first sync, unless only files are read. `user_ids` can replace the\n"
        "# member file.\n"
    )
    return "\n" + "\n".join([first, *required, "# OPTIONAL, each with its default.\n", *others])


def _variable(name: str, schema: Schema, mark: str = "") -> str:
    default = schema.get("default")
    kind = "" if _kind(schema) not in {"array", "object"} else " As JSON."
    comment = " ".join(schema["description"].split())
    value = "" if default is None else default
    return f"# {comment}{kind}\n{mark}TAP_CROWDTWIST_{name.upper()}={value}\n"
