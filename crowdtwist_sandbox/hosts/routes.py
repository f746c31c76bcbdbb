"""The routing of paths to endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crowdtwist_sandbox.hosts.call import Call

    Handler = Callable[[Call], Any]

_ID = "{id}"


class Match(NamedTuple):
    """An endpoint: its template, its handler, and the id in the path if there is one."""

    template: str
    handler: Handler | None
    ident: str = ""


NOWHERE = Match("(unknown)", None)


class Routes:
    """A host's endpoints by template, such as `/v2/users/{id}/activities`."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._by_parts = {
            tuple(template.strip("/").split("/")): Match(template, handler)
            for template, handler in handlers.items()
        }
        places = {parts.index(_ID) for parts in self._by_parts if _ID in parts}
        self._places = sorted(places, reverse=True)

    def match(self, segments: Sequence[str]) -> Match:
        """Return the endpoint of a path given by its decoded segments; NOWHERE if none matches."""
        parts = tuple(segments)
        match = self._by_parts.get(parts)
        if match is not None and _ID not in parts:
            return match
        # From right to left, so that `users/delete/{id}` wins over `users/{id}/…` with the id
        # "delete".
        for place in self._places:
            if len(parts) > place and parts[place]:
                match = self._by_parts.get((*parts[:place], _ID, *parts[place + 1 :]))
                if match is not None:
                    return match._replace(ident=parts[place])
        return NOWHERE
