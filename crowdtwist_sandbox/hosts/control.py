"""The control surface under /_sandbox: clock, roster, expected rows, faults and request log."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from crowdtwist_sandbox.accounts import accounts
from crowdtwist_sandbox.expected_rows import expected_rows
from crowdtwist_sandbox.world.identity import ID_TYPES, email, member_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from starlette.requests import Request

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.program import Row

_CHUNK = 500  # lines
_encode = msgspec.json.Encoder().encode


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into larger pieces, since each piece costs a thread switch."""
    rest = iter(lines)
    while chunk := list(islice(rest, _CHUNK)):
        yield b"\n".join(chunk) + b"\n"


async def _in_background(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Compute each piece in a thread of the loop's executor, which ends with the loop."""
    loop = asyncio.get_running_loop()
    while (chunk := await loop.run_in_executor(None, next, chunks, b"")) != b"":
        yield chunk


def _stream(lines: Iterable[bytes], media_type: str) -> Response:
    return StreamingResponse(_in_background(_chunks(lines)), media_type=media_type)


def _bad_request(message: str) -> Response:
    return JSONResponse({"error": "param_error", "message": message}, status_code=400)


def _json_lines(request: Request, rows: Callable[[int | None], Iterator[Row]]) -> Response:
    """Return the rows of the day in the query (default: today) as JSON lines."""
    text = request.query_params.get("day")
    try:
        of_day = rows(None if text is None else int(text))
    except ValueError as error:
        return _bad_request(str(error))
    return _stream(map(_encode, of_day), "application/jsonl")


def roster_lines(engine: Engine, id_type: str, form: str) -> Iterator[bytes]:
    """Yield the roster as text, CSV with a header, or JSON lines; numeric ids are JSON numbers."""
    population, day = engine.world.population, engine.clock.day
    format_id = ID_TYPES[id_type]
    if form == "csv":
        yield b"member_id,email"
    for index in range(population.size(day)):
        text = format_id(index)
        if text is None:
            continue
        if form == "csv":
            yield f"{text},{email(index)}".encode()
        elif form == "jsonl":
            yield _encode({"id": member_id(index) if id_type == "id" else text})
        else:
            yield text.encode()


class Control:
    """Handlers of the control surface of one sandbox."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def clock(self, _request: Request) -> Response:
        """Return the clock (GET clock)."""
        return JSONResponse(self._engine.clock.reading())

    async def advance(self, request: Request) -> Response:
        """Advance the clock (POST advance, `{"days": 1}`); an empty body means one day."""
        body = await request.body()
        try:
            asked: Any = msgspec.json.decode(body) if body else {}
            days = asked.get("days", 1) if isinstance(asked, dict) else None
            if not isinstance(days, int) or isinstance(days, bool):  # in Python, True is an int
                return _bad_request("days: must be a whole number")
            self._engine.clock.advance(days)
        except (ValueError, msgspec.DecodeError) as error:
            return _bad_request(str(error))
        return JSONResponse(self._engine.clock.reading())

    async def roster(self, request: Request) -> Response:
        """Return the roster (GET roster, with `id_type` and `format`: text, csv or jsonl)."""
        id_type = request.query_params.get("id_type", "id")
        form = request.query_params.get("format", "text")
        media = {"text": "text/plain", "csv": "text/csv", "jsonl": "application/jsonl"}
        if id_type not in ID_TYPES or form not in media:
            return _bad_request("id_type or format: unknown")
        return _stream(roster_lines(self._engine, id_type, form), media[form])

    async def expected_rows(self, request: Request) -> Response:
        """Return expected rows as JSON lines (GET truth/{stream}, with `day`, default today)."""
        stream = request.path_params["stream"]
        return _json_lines(request, partial(expected_rows, self._engine, stream))

    async def accounts(self, request: Request) -> Response:
        """Return the accounts of points as JSON lines (GET accounts, with `day`)."""
        return _json_lines(request, partial(accounts, self._engine))

    async def faults(self, request: Request) -> Response:
        """Return the faults (GET faults) or replace them (POST faults, `{"spec": "late:2=0.1"}`).

        An empty body clears them.
        """
        faults = self._engine.faults
        if request.method == "POST":
            body = await request.body()
            try:
                asked: Any = msgspec.json.decode(body) if body else {"spec": ""}
                spec = asked.get("spec") if isinstance(asked, dict) else None
                if not isinstance(spec, str):
                    return _bad_request("spec: must be text")
                faults.set(spec)
            except (ValueError, msgspec.DecodeError) as error:
                return _bad_request(str(error))
        return JSONResponse({"spec": faults.spec})

    async def counts(self, _request: Request) -> Response:
        """Return the counts of requests and faults (GET counts)."""
        return JSONResponse(self._engine.request_log.counts())

    async def requests(self, _request: Request) -> Response:
        """Return the latest requests (GET requests)."""
        return JSONResponse(self._engine.request_log.requests())

    async def reset(self, _request: Request) -> Response:
        """Clear counts and requests, and return the empty counts (POST reset)."""
        self._engine.request_log.reset()
        return JSONResponse(self._engine.request_log.counts())


def control_app(engine: Engine) -> Starlette:
    """Build the application of the control surface."""
    control = Control(engine)
    return Starlette(
        routes=[
            Route("/_sandbox/clock", control.clock),
            Route("/_sandbox/advance", control.advance, methods=["POST"]),
            Route("/_sandbox/roster", control.roster),
            Route("/_sandbox/truth/{stream}", control.expected_rows),
            Route("/_sandbox/accounts", control.accounts),
            Route("/_sandbox/faults", control.faults, methods=["GET", "POST"]),
            Route("/_sandbox/counts", control.counts),
            Route("/_sandbox/requests", control.requests),
            Route("/_sandbox/reset", control.reset, methods=["POST"]),
        ]
    )
