"""`outlast.router()`: routes by which the users of an app follow their tasks, and cancel them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.params import Depends
from fastapi.responses import StreamingResponse

from outlast.app import current, outcomes_of
from outlast.errors import JournalUnusable, TaskNotFound
from outlast.status.places import EVENTS, STATUS, WITH_REASONS
from outlast.status.prefer import MOST_WAIT, preferred_wait
from outlast.status.problems import BUSY, ENDED, GONE, UNKNOWN, NotModified, ProblemRoute, Refused, problems
from outlast.status.resource import TaskStatus, Teller, matches

PING = 10.0  # seconds of silence after which a stream shows that it lives
RECONNECT = 1000  # milliseconds after which a client asks for the next stream

Ticket = Annotated[str, Path(description="The id that the answer to the request gave that asked for the task.")]
Wait = Annotated[
    float, Query(ge=0, le=MOST_WAIT, description="Seconds to wait for its end, or for another ETag than If-None-Match.")
]
Prefer = Annotated[str | None, Header(description="RFC 7240: `wait=5` is the same as `?wait=5`.")]
_HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "Another one as soon as something has changed."},
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds until it pays to ask again; not when ended.",
    },
}
_STATUS = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": {"$ref": f"#/components/schemas/{TaskStatus.__name__}"},
}
_TEXT = {"type": "string"}
_EVENT = {
    "type": "object",
    "properties": {"id": _TEXT, "event": {"enum": ["state", "progress", "done"]}, "data": _STATUS, "retry": {}},
}
Responses = dict[int | str, dict[str, Any]]
_WRONG = "query.wait: Input should be less than or equal to 20"
_ERRORS = problems(s404=UNKNOWN, s410=GONE, s422=_WRONG, s503=BUSY)


def router(
    prefix: str = "/tasks",
    *,
    dependencies: Sequence[Depends] = (),
    tags: Sequence[str] = ("tasks",),
    reasons: bool = False,
) -> APIRouter:
    """Routes for `app.include_router`: the status of a task, a stream of its changes, and its cancelling.

    dependencies: of all of them, as of FastAPI, for example who may ask. reasons: whether users are told why a task has
    failed or waits, in sentences that may hold what exceptions say. A task is found only by who was given its id by
    `outlast.accepted(handle)` or `await handle.ticket()`: 100 bits of it cannot be guessed.
    """
    routes, its = _Routes(reasons=reasons), APIRouter(prefix=prefix, dependencies=list(dependencies), tags=list(tags))
    its.route_class, kind = ProblemRoute, WITH_REASONS if reasons else ""
    responses: Responses = {200: {"headers": _HEADERS}, 304: {"description": "it is as the client has it"}, **_ERRORS}
    its.add_api_route("/{task}", routes.task_status, name=STATUS + kind, responses=responses)
    responses = {**_ERRORS, **problems(s409=ENDED)}
    its.add_api_route("/{task}", routes.cancel_task, methods=["DELETE"], status_code=202, responses=responses)
    responses = {200: {"content": {"text/event-stream": {"itemSchema": _EVENT}}}, **_ERRORS}
    its.add_api_route(
        "/{task}/events", routes.task_events, name=EVENTS + kind, response_class=StreamingResponse, responses=responses
    )
    return its


class _Routes:
    """What they answer; see `router`."""

    def __init__(self, *, reasons: bool) -> None:
        self._reasons = reasons

    async def task_status(
        self,
        request: Request,
        response: Response,
        task: Ticket,
        wait: Wait = 0.0,
        if_none_match: Annotated[str | None, Header()] = None,
        prefer: Prefer = None,  # noqa: ARG002 - for the OpenAPI: there may be several of it
    ) -> TaskStatus:
        """How a task stands."""
        known, seconds = if_none_match or "", wait or preferred_wait(request.headers.getlist("Prefer")) or 0
        status = await (await self._found(request, task)).within(seconds, known)
        headers = {"ETag": status.etag, "Cache-Control": "private, no-cache", "Vary": "Prefer"}
        if matches(known, status.etag):
            raise NotModified(headers)
        if not status.has_ended:
            headers["Retry-After"] = str(status.retry_after)
        response.headers.update(headers)
        return status

    async def cancel_task(self, request: Request, task: Ticket) -> TaskStatus:
        """Let a task not run, or stop it where it runs."""
        teller = await self._found(request, task)
        if not await teller.handle.cancel():
            raise Refused(409, ENDED)
        return await teller.now()

    async def task_events(
        self, request: Request, task: Ticket, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        """Each change of a task, for 20 seconds at most: an EventSource asks again by itself until `done`."""
        teller = await self._found(request, task)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(teller, last_event_id or ""), media_type="text/event-stream", headers=headers)

    async def _found(self, request: Request, ticket: str) -> Teller:
        app = current()
        try:
            number = (await asyncio.to_thread(outcomes_of(app).tickets)).number_of(ticket)
        except TaskNotFound:
            raise Refused(404, UNKNOWN) from None
        return Teller(await app.get(number), ticket, request.scope, reasons=self._reasons)


async def _events(teller: Teller, last: str) -> AsyncIterator[str]:
    """What a client has not seen whose last event was `last`, and what happens then.

    It ends when there is nothing more to see: who comes back then is told why.
    """
    yield f"retry: {RECONNECT}\n\n"
    with suppress(TaskNotFound, JournalUnusable):
        async for text in _changes(teller, last):
            yield text


async def _changes(teller: Teller, last: str) -> AsyncIterator[str]:
    until, seen = time.monotonic() + MOST_WAIT, None
    while (left := until - time.monotonic()) > 0:
        async for record in teller.handle.watch(min(PING, left), seen):
            seen, status = record, await teller.told(record)
            if status.etag != last or status.has_ended:
                last = status.etag
                yield _event(status)
            if status.has_ended:
                return
        if not teller.may_change_meanwhile:
            return
        yield ": \n\n"


def _event(status: TaskStatus) -> str:
    kind = "done" if status.has_ended else "progress" if status.progress else "state"
    return f"id: {status.etag}\nevent: {kind}\ndata: {status.model_dump_json()}\n\n"
