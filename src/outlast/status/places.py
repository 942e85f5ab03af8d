"""Where the status of a task is asked for, as the paths of the app that a request has come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any
from urllib.parse import quote

from starlette.routing import NoMatchFound
from starlette.types import Scope

from outlast.errors import NotInstalled

STATUS, EVENTS = "outlast_task", "outlast_task_events"  # names of routes
WITH_REASONS = "_with_reasons"  # what the names of those end with that tell reasons


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one task, from the root of the host on. tells_reasons: whether those are told there."""

    status: str
    events: str
    tells_reasons: bool


def place_of(scope: Scope, ticket: str) -> Place:
    """That of a task. Raises NotInstalled when the app has no routes for it that this request can name.

    First in the app that answers, which may be mounted in another, then in the outermost. Other parameters in their
    paths than the task have the values that this request has for them.
    """
    root = scope.get("root_path", "")
    for app, prefix in ((scope["app"], root), (scope["router"], scope.get("app_root_path", root))):
        for given, kind in product(_choices(scope.get("path_params", {})), ("", WITH_REASONS)):
            if place := _place_in(app, kind, prefix, {**given, "task": ticket}):
                return place
    raise NotInstalled(
        "the app has no routes for the status of tasks: app.include_router(outlast.router()); or those have parameters "
        "in their paths that this request does not have in its own"
    )


def _place_in(app: Any, kind: str, prefix: str, given: Mapping[str, Any]) -> Place | None:
    """That in one app, by exactly these parameters, if it has such routes."""
    try:
        status, events = (quote(prefix + app.url_path_for(name + kind, **given)) for name in (STATUS, EVENTS))
    except (NoMatchFound, AssertionError):  # as Starlette says that a value does not fit
        return None
    return Place(status, events, tells_reasons=bool(kind))


def _choices(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Some of the parameters of a path: a route is found only by exactly its own. First none, last all."""
    others = {name: value for name, value in given.items() if name != "task"}
    for count in range(len(others) + 1):
        for names in combinations(others, count):
            yield {name: others[name] for name in names}
