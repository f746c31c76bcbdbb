"""The tree of errors in the docstring of `errors` names every exception class of the tap."""

from __future__ import annotations

import importlib
import pkgutil
import re
from itertools import pairwise

import tap_crowdtwist
from tap_crowdtwist import errors

LINE = re.compile(r"(?m)^    ( *)(_?[A-Z]\w+)(?:  +\S.*)?$")
INDENT = 2


def documented() -> dict[str, str]:
    """Parent class by class, as the docstring draws them."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for spaces, name in LINE.findall(errors.__doc__ or ""):
        path[len(spaces) // INDENT :] = [name]
        if len(path) > 1:
            parents[name] = path[-2]
    return parents


def defined() -> dict[str, str]:
    """Parent class by class, of those that the tap defines and their bases."""
    parents: dict[str, str] = {}
    for module in pkgutil.walk_packages(tap_crowdtwist.__path__, "tap_crowdtwist."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(value, type)
                and issubclass(value, Exception)
                and value.__module__.startswith("tap_crowdtwist.")
            ):
                lineage = value.__mro__[: value.__mro__.index(Exception) + 1]
                parents |= {child.__name__: parent.__name__ for child, parent in pairwise(lineage)}
    return parents


def test_the_tree_of_errors_is_complete() -> None:
    assert documented() == defined()
