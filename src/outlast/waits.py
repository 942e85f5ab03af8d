"""The one sentence for each thing that keeps a task waiting though nothing is wrong with it, and for its end."""

from __future__ import annotations

from collections.abc import Sequence

from outlast.text import MOST_NAME, MOST_REASON, one_line

RETRIED = "somebody has asked for it to run again"
KNOWN_AGAIN = "the code that is here now knows it"


def parked(function: str, count: int, reason: str) -> str:
    """The code that is here does not know tasks that were stored for other code."""
    name, wait = one_line(function, MOST_NAME), "waits" if count == 1 else "wait"
    return (
        f"{_counted(count)} of {name} {wait}, parked, since the code that is here does not know "
        f"{'it' if count == 1 else 'them'}: {one_line(reason, MOST_REASON)}. {PARKED_REMEDY}"
    )


PARKED_REMEDY = (
    "What is parked runs as soon as code that knows it is here again; if it shall not, `outlast cancel` or "
    "`outlast delete` it"
)


NO_RUNNER = "no runner is there: what waits runs when a server of the app, or `outlast worker`, starts"


NO_RUNNER_TO_STOP = "no runner is there: nothing to stop"
RUNNER_ELSEWHERE = "the runner is in another container: run this command there"


def would_be_started_again(webs: Sequence[int]) -> str:
    """A runner is not ended as long as somebody starts another."""
    who = ", ".join(map(str, webs[:5]))
    return f"web worker {who} lives, and would start another runner at once: stop the server first"


def runner_stopped(pid: int, waiting: int) -> str:
    """It has gone, and nobody moves tasks now."""
    rest = f"; {_counted(waiting)} {'waits' if waiting == 1 else 'wait'} for the next start" if waiting else ""
    return f"runner {pid} has ended, with its task processes{rest}"


def nobody_runs(waiting: int) -> str:
    """Tasks wait and nobody is there who moves them."""
    if not waiting:
        return "no runner, and no task waits for one"
    what = f"{_counted(waiting)} {'waits' if waiting == 1 else 'wait'}"
    return f"no runner: {what} until a server of the app, or `outlast worker`, starts"


def nobody_runs_them(waiting: int, path: object) -> str:
    """A script ends, and what it has asked for has not begun."""
    return (
        f"{_counted(waiting)} of this script {'waits' if waiting == 1 else 'wait'} in {path}: nothing runs "
        f"{'it' if waiting == 1 else 'them'} until a server of the app, or `outlast worker`, starts"
    )


def cannot_start(why: str) -> str:
    """Tasks wait although a runner is there."""
    return f"what waits cannot run now, since task processes cannot start: {why}"


def changed_by_hand(done: int, refused: int, verb: str) -> str:
    """How many tasks somebody has `retried` or `deleted`."""
    return f"{_counted(done)} {verb}{f', {refused} not' if refused else ''}"


def not_retried(state: str, lane: str) -> str:
    """Why a task does not run again."""
    if lane == "inline" and state not in ("held", "running"):
        return "it ran inline, in its web worker, and cannot run elsewhere"
    return f"it has not ended: {state}"


def not_deleted(state: str, lane: str) -> str:  # noqa: ARG001 - as of `not_retried`
    """Why a task stays."""
    return f"it has not ended ({state}): cancel it first"


def not_guarded(file: str, line: int) -> str:
    """Why no task process may have what is in a program: a function, the app."""
    return (
        f"is in {file}, which a task process would have to import, and that would run line {line} of it once more: put "
        'what {file} does under `if __name__ == "__main__":`, or move it to a module of its own'
    ).replace("{file}", file)


def without_app(why: str) -> str:
    """Task processes do not import the app, since it `why`."""
    return f"task processes run without the app and its lifespan, since it {why}"


def _counted(tasks: int) -> str:
    return f"{tasks} task{'s' * (tasks != 1)}"
