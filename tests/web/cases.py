"""What has to become of the tasks in each case: the same in-process and on every server."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlast.events.requests import NEVER_SENT, OWN_BACKGROUND, TOO_LATE
from tests.web.recording import Outcome

REPLACED = (
    "its request was answered {} by an exception handler or a middleware: tasks added before that are dropped "
    "(FastAPI does the same)"
)


@dataclass(frozen=True)
class Case:
    """A request, and the tasks that are stored before its response starts, by their names.

    Those are released if nothing else is said. `raised` is what leaves the app, if
    something does. `ran` are the tasks that run in the web worker.
    """

    path: str
    before: tuple[str, ...] = ()
    status: int = 200
    after: tuple[str, ...] = ()
    released: tuple[str, ...] | None = None
    dropped: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    follows: dict[str, str] = field(default_factory=dict)
    raised: str = ""
    ran: tuple[str, ...] = ()

    def check(self, seen: Outcome, *, http_middleware: bool) -> None:
        """Fail unless that is what was seen."""
        before = (*self.before, "in_middleware") if http_middleware and self.path == "/middleware" else self.before
        released = before if self.released is None else self.released
        assert (seen.status, seen.raised) == (self.status, self.raised)
        assert tuple(seen.before) == before
        assert tuple(seen.after) == self.after
        assert sorted(seen.released) == sorted(released)
        assert seen.dropped == self.dropped
        assert seen.settled == self.settled
        assert seen.follows == self.follows


PLAIN = [
    Case("/none"),
    Case("/param", ("param", "second"), follows={"second": "param"}),
    Case("/param_sync", ("param",)),
    Case("/param_starlette", ("param",)),
    Case("/dependency", ("in_dependency",)),
    Case("/dependency_and_param", ("in_dependency", "param"), follows={"param": "in_dependency"}),
    Case("/exit_of_request", after=("at_exit",), released=(), dropped={"at_exit": TOO_LATE}),
    Case("/exit_of_function", ("at_exit",)),
    Case("/own", ("own",)),
    Case("/own_and_param", ("own",), after=("param",), dropped={"param": OWN_BACKGROUND}),
    Case("/response_and_param", ("param",)),
    Case("/stream", ("param",)),
    Case("/file", ("param",)),
    Case("/generator", after=("after_first_item",), released=("after_first_item",)),
    Case("/http_exception", status=418, after=("param",), dropped={"param": REPLACED.format(418)}),
    Case("/boom", ("in_handler",), status=500),
    Case("/middleware"),
    Case("/own_object", ("given", "added"), follows={"added": "given"}),
    Case("/outer/x", ("in_dependency", "param"), follows={"param": "in_dependency"}),
    Case("/outer/inner/x", ("in_dependency", "param"), follows={"param": "in_dependency"}),
    Case("/mounted/x", ("param",)),
    Case("/starlette/x", ("own",)),
    Case("/plain_route", ("own",)),
    Case("/raw/x", ("own",)),
]
"""Every way in which stock FastAPI runs, or does not run, a background task."""

FAILING = [
    Case("/own_then_exception", ("own",), status=409, released=(), dropped={"own": NEVER_SENT}),
    Case(
        "/own_and_param_then_exception",
        ("own",),
        status=409,
        after=("param",),
        released=(),
        dropped={"own": NEVER_SENT, "param": REPLACED.format(409)},
    ),
    Case(
        "/error",
        status=500,
        after=("param",),
        dropped={"param": "its request failed with ZeroDivisionError: in the endpoint"},
        raised="ZeroDivisionError",
    ),
    Case(
        "/exit_raises",
        ("param",),
        released=(),
        dropped={"param": "its request failed with RuntimeError: commit failed"},
        raised="RuntimeError",
    ),
    Case(
        "/exit_raises_before",
        (),
        after=("param",),
        status=500,
        released=(),
        dropped={"param": "its request failed with RuntimeError: commit failed"},
        raised="RuntimeError",
    ),
    Case(
        "/inline_fails",
        ("first", "fails", "fails_too", "inline", "last"),
        released=("first", "last"),
        settled={"fails": "error", "fails_too": "error", "inline": "done"},
        ran=("fails", "fails_too", "inline"),
        follows={"last": "first"},
    ),
]
"""What goes wrong, and whom it hits."""

ODD = [
    Case(
        "/nested",
        ("param", "single", "of_group", "of_group_later", "plain"),
        follows={
            "single": "param",
            "of_group": "single",
            "of_group_later": "of_group",
            "plain": "of_group_later",
        },
    ),
    Case("/own_meaning", ("app:OwnMeaning",), released=(), settled={"app:OwnMeaning": "done"}, ran=("at_once",)),
    Case("/shared_response", ("of_module",)),
    Case("/starlette/shared", after=("of_module",), released=("of_module",)),
    Case("/called_by_hand", ran=("by_hand",)),
]
"""Background objects that are used in unusual ways."""

EXPLICIT = [
    Case("/explicit", ("first", "beside", "second"), follows={"second": "first"}),
    Case("/explicit_sync", ("in_dependency", "param"), follows={"param": "in_dependency"}),
    Case(
        "/explicit_exception",
        status=418,
        after=("param",),
        dropped={"param": "its request failed with HTTPException: 418: I'm a Teapot"},
    ),
    Case("/explicit_refused", status=500, raised="NotStorable"),
    Case(
        "/explicit_exit_raises",
        ("param",),
        released=(),
        dropped={"param": "its request failed with RuntimeError: commit failed"},
        raised="RuntimeError",
    ),
]
"""`outlast.BackgroundTasks`."""

CASES = [*PLAIN, *FAILING, *ODD, *EXPLICIT]
LEAVING = Case("/endless", ("param",))
