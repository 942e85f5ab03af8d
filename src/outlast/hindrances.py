"""The one sentence for each thing that keeps outlast's own threads and processes from their work, and its end."""

from __future__ import annotations


def not_resumed(why: str) -> str:
    """A server has started, and the journal refuses."""
    return f"{why}; what waits from before runs as soon as the journal can be used: it is tried again until then"


def resumed(path: object) -> str:
    """The journal had refused when the server started."""
    return f"the journal {path} can be used again: what waits from before runs"


def not_foreseen(who: str, what: str, then: str, times: int = 1) -> str:
    """A thread of outlast's own, or a step of it, has met an error that nobody has thought of."""
    again = f" ({times} times by now)" if times > 1 else ""
    return f"{who} has met an error that outlast did not foresee{again}: {what}; {then}. Please report it"


def no_thread(what: str, why: str) -> str:
    """The system gives no thread. `what` one would do."""
    return (
        f"no thread can be started that {what}: {why}. More processes and threads have to be allowed "
        "(ulimit -u, TasksMax of the service, pids limit of the container)"
    )


def runner_not_started(path: object, why: object) -> str:
    """No process could be started, for now."""
    return f"the runner of {path} cannot be started: {why}. Stored tasks wait; it is tried again until it works"


def no_runner_answers(socket: object) -> str:
    """A runner was started and cannot be reached. Its own log says why."""
    return f"no runner answers at {socket}, starting another, until one does"


def runner_reached(path: object) -> str:
    """It could not be for a while."""
    return f"the runner of {path} is reached again"


def nobody_can_connect(socket: object, why: object) -> str:
    """The runner cannot take web workers that come, for now."""
    return f"no web worker can connect at {socket}: {why}. It is tried again each second; those that are connected stay"


def listens_anew(socket: object) -> str:
    """Somebody has deleted or replaced the runner's socket."""
    return f"{socket} was deleted or replaced: the runner has made it anew"


def ended_itself(why: str) -> str:
    """How a task process ended that could not go on, to be put behind its pid."""
    return f"ended itself: {why}"


def process_ended_itself(pid: int, why: str) -> str:
    """Why an attempt is over whose process could not go on."""
    return f"its process {pid} ended itself, since {why}"


def no_thread_for_it(pid: int, why: str) -> str:
    """Why a `def` has not begun, to be put behind `cut since`."""
    return f"its process {pid} could start no thread for it ({why})"
