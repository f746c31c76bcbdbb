"""The marts of the dbt project: what each answers, its grain, assumptions and columns.

All of it is written once, in the YAML files beside the models.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from scripts.markdown import fill

_MODELS = Path(__file__).resolve().parents[1] / "transform" / "models" / "marts"
_ORDER = (
    "as_of",
    "program_summary",
    "program_monthly",
    "program_daily",
    "points_ledger",
    "points_daily",
    "members",
    "points_expiring",
    "points_lots",
    "points_liability",
    "liability_scenarios",
    "tiers",
    "tier_moves",
    "tier_moves_monthly",
    "cohort_retention",
    "activity_performance",
    "reward_performance",
    "batch_credit_gaps",
)
"""Marts in the order of the page."""

Model = dict[str, Any]


def overview() -> str:
    """Render a list with an item per mart: its grain, and a question that it answers."""
    items = [
        f"[`{name}`](#{name}), one row per {_grain(model)}: {_meta(model, 'questions')[0]}"
        for name, model in _models().items()
    ]
    return "\n".join([*_bullets(items), ""])


def _grain(model: Model) -> str:
    grain: str = model["config"]["meta"]["grain"]
    return re.sub(r"^(a|an|the whole) ", "", grain)


def marts() -> str:
    """Render a section per mart."""
    return "\n".join(_section(name, model) for name, model in _models().items())


def _models() -> dict[str, Model]:
    """Return the marts by name, in the order of the page.

    Raises:
        ValueError: a mart is missing here or in the project.
    """
    found: dict[str, Model] = {}
    for path in sorted(_MODELS.glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            found[model["name"]] = model
    if found.keys() != set(_ORDER):
        raise ValueError(f"marts that are not in both lists: {found.keys() ^ set(_ORDER)}")
    return {name: found[name] for name in _ORDER}


def _section(name: str, model: Model) -> str:
    lines = [f"## `{name}`\n", fill(model["description"].strip()), ""]
    lines += [f"One row is {model['config']['meta']['grain']}. Questions that it answers:\n"]
    lines += _bullets(_meta(model, "questions"))
    assumptions = _meta(model, "assumptions")
    if assumptions:
        lines += ["\nAssumptions:\n", *_bullets(assumptions)]
    columns = [
        f"`{column['name']}` ({column['data_type']}): {column['description'].strip()}"
        for column in model["columns"]
    ]
    return "\n".join([*lines, "\nColumns:\n", *_bullets(columns), ""])


def _meta(model: Model, key: str) -> list[str]:
    values: list[str] = model["config"]["meta"].get(key) or []
    return values


def _bullets(texts: list[str]) -> list[str]:
    return [f"* {fill(' '.join(text.split()), '  ')}" for text in texts]
