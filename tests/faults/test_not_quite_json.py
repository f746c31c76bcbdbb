"""A member whose answer is not quite JSON is read, and costs nobody else anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import fake_clock_tap
from support.fake_clock_tap import sync
from support.harness import sandbox
from typing_extensions import override

from tap_crowdtwist.api.transport import Response, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase


def with_name(value: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(b'"first_name":', b'"first_name":%s,"old":' % value, 1)


DEFECTS: dict[str, tuple[Callable[[bytes], bytes], str | None]] = {
    "half of a surrogate pair": (with_name(rb'"Ada \ud83d"'), "Ada \ufffd"),
    "a byte-order mark": (lambda body: b"\xef\xbb\xbf" + body, None),
    "a raw control character": (with_name(b'"Ada\x0b\n"'), "Ada\x0b\n"),
    "NaN or Infinity": (with_name(b'"Ada", "odd": NaN'), "Ada"),
    "a number out of range": (with_name(b'"Ada", "odd": 1e400'), "Ada"),
    "bytes that are not UTF-8": (with_name(b'"Zo\xeb"'), "Zoë"),
    "trailing zero bytes": (lambda body: body + b"\0", None),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_an_answer_that_is_not_quite_json_is_read(
    defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, name = DEFECTS[defect]
    with sandbox(members=8) as running:
        member = running.roster()[3]

        class Spoilt(Transport):
            @override
            def get(self, url: str, auth: AuthBase) -> Response:
                answer = super().get(url, auth)
                if f"/users/{member}" not in url:
                    return answer
                return Response(answer.status, answer.headers, spoil(bytes(answer.body)))

        clean = sync(running, "users")
        monkeypatch.setattr(fake_clock_tap, "Transport", Spoilt)
        result = sync(running, "users")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count(f"not valid JSON ({defect})") == 1
    for row, before in zip(result.records["users"], clean.records["users"], strict=True):
        if row["id"] != int(member):
            assert row == before
        elif name is None:
            assert row["first_name"] == before["first_name"]
        else:
            assert row["first_name"] == name
