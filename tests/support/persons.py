"""A program whose members have addresses, which they get, lose and hand on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from typing_extensions import override

from support.scripted_host import DAY, NOW, Host, Outcome, run
from tap_crowdtwist.api.transport import Response

if TYPE_CHECKING:
    from requests.auth import AuthBase

NAMES = [f"m{n}@x.test" for n in range(12)]
MISSING = Response(404, {}, b'{"error": "page_not_found", "message": "?"}')


class Program(Host):
    """A program whose members have addresses, which they get, lose and hand on.

    Attributes:
        persons: the number behind each address.
    """

    def __init__(self) -> None:
        super().__init__({}, set())
        self.persons: dict[str, int] = {}
        self.profile_fails: set[str] = set()
        self.requests: list[str] = []

    def buy(self, person: int, age: int, now: Any = NOW) -> None:
        rows = self._purchases.setdefault(person, [])
        moment = now - timedelta(days=age)
        rows.append(
            {
                "purchase_id": f"{person}-{len(rows)}",
                "purchase_id_type": "order_id",
                "last_date_purchased": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    def of(self, person: int) -> set[str]:
        return {row["purchase_id"] for row in self._purchases.get(person, [])}

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        self.requests.append(url)
        parts = urlsplit(url)
        if parts.path.startswith("/v2/users/"):
            name = unquote(parts.path.rpartition("/")[2])
            if name in self.profile_fails:
                return Response(502, {}, b"<html>")
            person = self.persons.get(name)
            return MISSING if person is None else Response(200, {}, b'{"id": %d}' % person)
        person = int(parts.path.split("/")[-2])
        return super().get(url, auth) if person in self._purchases else MISSING


def day(program: Program, state: Any, number: int, **more: Any) -> Outcome:
    return run(
        program, NAMES, state, now=NOW + number * DAY, id_type="email", max_missing_ratio=1, **more
    )
