"""What a program answered, for the assumptions to be judged by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.looks import Look

LIKE_THE_TAP = "up to the present"
"""The question with dates as the tap sends them: open at the end, or up to tomorrow."""


@dataclass
class Evidence:
    """What a program answered.

    Attributes:
        auth_method: how the main host was asked.
        requests: how many requests were sent.
        members: how many members were asked about.
        looks: every answer.
        first: the first page of each member, or of the catalog, by stream.
        second: the second page of the member with the most rows, by stream.
        beyond: a page beyond its last one, by stream.
        larger: a page of more rows than the documented maximum, by stream.
        forms: the first and second page in each form of a resource, for one member, by stream.
        dated: whether rows came that a question about dates was meant to bring, by stream and
            question; None where it could not be asked or had no answer.
        undated: members whose redemptions are told with and without dates: "whole" where old ones
            came without, "same" where both brought the same, "more" where dates brought more.
        missing: the answer about a member that does not exist, by stream.
        deletions: answers to User Deletion Status: about a member that exists, about others.
        signature: what to set so that a signature is accepted that was refused; "" if there is
            nothing to set.
        is_spent: whether the budget was too small.
    """

    auth_method: str
    requests: int = 0
    members: int = 0
    looks: list[Look] = field(default_factory=list)
    first: dict[str, list[Look]] = field(default_factory=dict)
    second: dict[str, Look] = field(default_factory=dict)
    beyond: dict[str, Look] = field(default_factory=dict)
    larger: dict[str, Look] = field(default_factory=dict)
    forms: dict[str, dict[str, list[Look]]] = field(default_factory=dict)
    dated: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    undated: Counter[str] = field(default_factory=Counter)
    missing: dict[str, Look] = field(default_factory=dict)
    deletions: dict[str, list[Look]] = field(default_factory=dict)
    signature: str = ""
    is_spent: bool = False
