"""Errors as problem+json (RFC 9457): what each route answers instead of what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from outlast.errors import JournalUnusable, StoreFailed, TaskNotFound

MEDIA_TYPE = "application/problem+json"
TITLES = {
    404: "Not Found",
    409: "Conflict",
    410: "Gone",
    422: "Unprocessable Content",
    503: "Service Unavailable",
}
UNKNOWN = "there is no such task"
ENDED = "the task has ended, or cannot be stopped where it runs"
BUSY = "tasks cannot be looked up or changed at the moment"
GONE = "the task is gone: it was deleted, is past keeping, or was never stored"


class Problem(BaseModel):
    """What was wrong, and why (RFC 9457). There is no `type`: the title is that of the status."""

    title: str
    status: int
    detail: str = Field(description="A sentence for people.")


class Refused(Exception):
    """The request is answered with a problem."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.problem = Problem(title=TITLES[status], status=status, detail=detail)
        self.headers = headers

    def response(self) -> Response:
        """As it is sent."""
        return JSONResponse(self.problem.model_dump(), self.problem.status, self.headers or None, MEDIA_TYPE)


class NotModified(Exception):
    """The request is answered with 304: the client has it already."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__()
        self.headers = headers


class ProblemRoute(APIRoute):
    """A route whose errors are problems, also those of a parameter."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """That of FastAPI, within which errors are caught."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except NotModified as known:
                return Response(status_code=304, headers=known.headers)
            except Refused as refused:
                return refused.response()
            except TaskNotFound:
                return Refused(410, GONE).response()
            except (JournalUnusable, StoreFailed):
                return Refused(503, BUSY, **{"Retry-After": "5"}).response()
            except RequestValidationError as error:
                return Refused(422, _in_words(error)).response()

        return answered


def problems(**details: str) -> dict[int | str, dict[str, Any]]:
    """Of a route's OpenAPI: what it may answer else, as `s404="…"` for a detail that a 404 may have."""
    return {status: _described(status, detail) for name, detail in details.items() if (status := int(name[1:]))}


def _described(status: int, detail: str) -> dict[str, Any]:
    example = Problem(title=TITLES[status], status=status, detail=detail).model_dump()
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema(), "example": example}}
    return {"description": TITLES[status], "content": content}


def _in_words(error: RequestValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
