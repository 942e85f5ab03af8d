"""`outlast.accepted(handle)`: 202, and where it can be asked how the task stands."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from outlast.errors import TaskNotFound
from outlast.status.prefer import preferred_wait
from outlast.status.resource import TaskStatus, Teller
from outlast.tasks.task import State
from outlast.web.handle import Handle

AWAIT = "write `accepted(await outlast.enqueue(...))`"
ANNOTATE = (
    "FastAPI's own BackgroundTasks gives none, so annotate the parameter of the endpoint as outlast.BackgroundTasks"
)
_LATER = {"schema": {"type": "integer"}, "description": "Seconds until it pays to ask again."}
_PLACE = {"schema": {"type": "string"}, "description": "The path at which its status is asked for."}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": TaskStatus,
        "description": "It is stored, and will run.",
        "headers": {"Location": _PLACE, "Retry-After": _LATER},
    },
    200: {"model": TaskStatus, "description": "It has ended.", "headers": {"Location": _PLACE}},
    503: {"description": "It is not stored, so it does not run.", "headers": {"Retry-After": _LATER}, "content": _TEXT},
}
"""For `responses` of an endpoint that returns `accepted`: what its OpenAPI tells of that."""


def accepted(
    handle: Handle[Any], headers: Mapping[str, str] | None = None, background: BackgroundTask | None = None
) -> Accepted:
    """What an endpoint returns that has asked for a task: 202, how it stands, and in `Location` where to ask for that.

    A client that prefers to wait (`Prefer: wait=5`) gets 200 instead when the task has ended by then: one of `enqueue`,
    since one of `add_task` runs only when the response is over. 503 when it cannot be stored. The app needs
    `outlast.router()`.

    handle: of `add_task` or `enqueue`. headers, background: as of any response. Raises TypeError for what is no handle.
    """
    if not isinstance(handle, Handle):
        remedy = AWAIT if isinstance(handle, Awaitable) else ANNOTATE
        raise TypeError(
            f"accepted() takes the handle that `enqueue` or `add_task` returns, not {handle!r:.50}: {remedy}"
        )
    return Accepted(handle, headers, background)


class Accepted(Response):
    """See `accepted`. It is filled when it is sent: the task is stored then, and its id is known."""

    media_type = "application/json"

    def __init__(
        self, handle: Handle[Any], headers: Mapping[str, str] | None, background: BackgroundTask | None
    ) -> None:
        super().__init__(None, 202, headers, background=background)
        self.handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store the task, if it is not, and send what is known of it then.

        Raises StoreFailed, JournalUnusable, and NotInstalled where the app has no `outlast.router()`.
        """
        await self.handle.stored()
        request, ticket = Request(scope), await self.handle.ticket()
        teller = Teller(self.handle, ticket, scope)
        status = await teller.now()
        begins_behind_this = status.state == State.HELD.label  # which nobody can wait for here
        wait = None if begins_behind_this else preferred_wait(request.headers.getlist("Prefer"))
        if wait:
            with suppress(TaskNotFound):  # it was deleted meanwhile
                status = await teller.within(wait)
        self._say(status, waited=wait is not None)
        await super().__call__(scope, receive, send)

    def _say(self, status: TaskStatus, *, waited: bool) -> None:
        self.body = status.model_dump_json().encode()
        self.headers.update({"Content-Length": str(len(self.body)), "Location": status.status_url, "Vary": "Prefer"})
        if waited:
            self.headers["Preference-Applied"] = "wait"
        if status.has_ended:
            self.status_code = 200
        else:
            self.headers["Retry-After"] = str(status.retry_after)
