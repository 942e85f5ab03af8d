"""Lane inline: a task that runs in the web worker, where Starlette would run it, but is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from outlast.engines.contract import Begin, Change, Settle
from outlast.logs.ends import fields, tell_end
from outlast.names import runs_nothing
from outlast.request.boxed import BoxedTask
from outlast.request.entry import Entry, Step
from outlast.request.span import tell_span
from outlast.tasks import End, Lane, Settlement, State, shown
from outlast.text import in_brief, log_exception, traceback_of
from outlast.watch.flights import InFlight

log = logging.getLogger("outlast")

ATTEMPT = 1


async def run_inline(
    entry: Entry,
    record: Callable[[Change], None],
    flight: InFlight,  # noqa: ARG001 - how the watch finds the task in a stack
) -> Exception | None:
    """Run it here and `record` how that went; returns what it raised.

    What it raises does not leave the request, so that the other tasks of the response run all the same. What
    ends the request itself does.
    """
    entry.step = Step.OVER
    record(Begin(entry.id))
    try:
        _refuse_generator(entry.task)
        await entry.task.run()
    except Exception as error:  # noqa: BLE001 - the user's code, which may raise anything
        record(Settle(_failed(entry, error)))
        log_exception(log, f"task {shown(entry.id)} (inline, added at {entry.site}) failed", error, **_about(entry))
        tell_span(error)
        return error
    except BaseException as error:
        cut = _cut(entry, error)
        record(Settle(cut))
        tell_end(State.FAILED, cut.reason, _about(entry))
        raise
    record(Settle(Settlement(entry.id, ATTEMPT, End.DONE, State.DONE)))
    tell_end(State.DONE, "", _about(entry))
    return None


def _about(entry: Entry) -> dict[str, object]:
    return fields(entry.id, entry.plan.function if entry.plan else "", ATTEMPT, Lane.INLINE)


def surface(errors: Sequence[Exception]) -> None:
    """Raise in a test what its tasks have raised: one as it is, several as a group."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("background tasks failed", errors)


def _refuse_generator(task: BoxedTask) -> None:
    """One that would run nothing is not done; with FastAPI alone nobody hears of it."""
    nothing = runs_nothing(task.func) if task.original is None else ""
    if nothing:
        raise TypeError(f"it {nothing}")


def _failed(entry: Entry, error: Exception) -> Settlement:
    return Settlement(entry.id, ATTEMPT, End.ERROR, State.FAILED, in_brief(error), traceback_of(error))


def _cut(entry: Entry, error: BaseException) -> Settlement:
    reason = (
        f"its request was ended by {in_brief(error)} while it ran in it (lane inline): "
        "it cannot travel, so it is not run again"
    )
    return Settlement(entry.id, ATTEMPT, End.INTERRUPTED, State.FAILED, reason)
