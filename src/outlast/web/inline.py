"""Lane inline: a task that runs in the web worker, where Starlette would run it, but is recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from outlast.events import endings, requests
from outlast.functions.names import runs_nothing
from outlast.journal.contract import Begin, Change
from outlast.tasks.outcome import RETURNED, Cut, Raised, Returned, Unknown, Wish, Wished
from outlast.tasks.pipeline import Ending, Reported
from outlast.tasks.steering import ending_by
from outlast.tasks.task import End, Lane, Settlement, State
from outlast.text import in_brief, in_one_line, is_a
from outlast.watch.flights import InFlight
from outlast.web.background import StandIn
from outlast.web.entry import Entry, Step

ATTEMPT = 1


async def run_inline(
    entry: Entry,
    record: Callable[[Sequence[Change]], None],
    returned: Callable[[Entry, Any], Returned],
    flight: InFlight,  # noqa: ARG001 - how the watch finds the task in a stack
) -> Exception | None:
    """Run it here and `record` how that went; returns what it raised. What it returned is recorded as `returned` says.

    What it raises does not leave the request, so that the other tasks of the response run all the same. What
    ends the request itself does.
    """
    entry.step = Step.OVER
    with _Recorded(entry, record) as recorded:
        _refuse_generator(entry.task)
        recorded.returned = returned(entry, await entry.task.run_recorded())
    return recorded.error


class _Recorded(Reported):
    """The journal hears that it has begun, and how it has ended."""

    keeps = Exception

    def __init__(self, entry: Entry, note: Callable[[Sequence[Change]], None]) -> None:
        self._entry = entry
        self._note = note
        self.error: Exception | None = None
        self.returned = RETURNED

    def __enter__(self) -> _Recorded:
        self._note([Begin(self._entry.id)])
        return self

    def judge(self, error: BaseException | None) -> Ending:
        if error is None:
            return self.returned
        if is_a(error, Exception):
            self.error = error
            return ending_by(error)
        return Cut(requests.cut_inline(in_brief(error)))

    def record(self, ending: Ending) -> None:
        self._note([settled_inline(self._entry.id, ending)])

    def tell(self, ending: Ending, error: BaseException | None) -> None:
        plan = self._entry.plan
        function, queue = (plan.function, plan.options.limits.queue) if plan else ("", "")
        it = endings.about(self._entry.id, function, ATTEMPT, Lane.INLINE, queue)
        if isinstance(ending, Wished):
            settled = settled_inline(self._entry.id, ending)
            endings.tell_end(settled.state.label, settled.reason, it)
        elif is_a(error, Exception):
            _tell_span(error)
            endings.InlineFailed(*it, str(self._entry.site)).tell(error)
        elif isinstance(ending, Cut):
            endings.tell_end(State.FAILED.label, ending.why, it)
        elif isinstance(ending, Returned):
            endings.tell_end(State.DONE.label, ending.lost, it)


def settled_inline(task_id: int, ending: Ending) -> Settlement:
    """What becomes of one that ran in its web worker: nothing runs again there."""
    match ending:
        case Returned(result, lost):
            return Settlement(task_id, ATTEMPT, End.DONE, State.DONE, lost, result=result)
        case Raised(reason, traceback):
            return Settlement(task_id, ATTEMPT, End.ERROR, State.FAILED, reason, traceback)
        case Wished(Wish.DISCARD, reason):
            return Settlement(task_id, ATTEMPT, End.CANCELLED, State.CANCELLED, endings.discarded(reason))
        case Wished(wish, reason, _, traceback):
            reason = endings.wish_refused(wish, reason)
            return Settlement(task_id, ATTEMPT, End.ERROR, State.FAILED, reason, traceback)
        case Cut(why) | Unknown(why):
            return Settlement(task_id, ATTEMPT, End.INTERRUPTED, State.FAILED, why)


def surface(errors: Sequence[BaseException]) -> None:
    """Raise in a test what its tasks have raised: one as it is, several as a group."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("background tasks failed", errors)


def _refuse_generator(task: StandIn) -> None:
    """One that would run nothing is not done; with FastAPI alone nobody hears of it."""
    nothing = runs_nothing(task.func) if task.original is None else ""
    if nothing:
        raise TypeError(f"it {nothing}")


def _tell_span(error: Exception) -> None:
    """Mark the open span of a trace as failed, as `error` would have done on its way through it, were it not held."""
    trace = sys.modules.get("opentelemetry.trace")  # without it there is no span
    if trace is not None and (span := trace.get_current_span()).is_recording():
        kind = type(error)
        is_builtin = kind.__module__ == "builtins"
        span.set_attribute("error.type", kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}")
        span.set_status(trace.StatusCode.ERROR, in_one_line(error))
