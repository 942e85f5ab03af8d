"""The one sentence for each thing that keeps outlast's own threads and processes from their work, and its end."""

from __future__ import annotations

from collections.abc import Mapping


def not_resumed(why: str) -> str:
    """A server has started, and the journal refuses."""
    return f"{why}; what waits from before runs as soon as the journal can be used: it is tried again until then"


def resumed(path: object) -> str:
    """The journal had refused when the server started."""
    return f"the journal {path} can be used again: what waits from before runs"


def handler_not_followed(kind: str, logger: str, why: str) -> str:
    """A handler that the server has put up is not there in a task process."""
    return (
        f"the handler {kind.replace(':', '.')} of logger {logger or 'root'!r} in the server cannot be put up in task "
        f"processes ({why}): what tasks log there goes to stderr. Put it up where the app's module is imported"
    )


def ends_given_up(count: int, most: int) -> str:
    """Callbacks were told of nothing for long: no task process has come that has them."""
    return f"callbacks (outlast.on_end) will not be told of the ends of {count} tasks: only the newest {most} are kept"


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


def writer_full(waiting: int) -> str:
    """A web worker's writer takes nothing new: the journal has not taken what it has."""
    return f"the writer has {waiting} changes waiting, since the journal takes none"


def given_up(waiting: int, what: Mapping[str, int]) -> str:
    """The same for what nobody waits for."""
    lost = " and ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in sorted(what.items()))
    return f"{writer_full(waiting)}: {lost} not taken"


def set_aside(what: str, why: object) -> str:
    """A change that nobody waits for is nothing for a journal."""
    return f"one change ({what.lower()}) is set aside, all others are stored: {why}"


def incident_left_out(most: int, sentence: str) -> str:
    """More happens than the runner keeps while the journal takes nothing."""
    return f"{most} incidents wait to be written: the journal will not know of this one: {sentence}"


def kept_in_memory(why: object, what: Mapping[str, int]) -> str:
    """The runner cannot write now."""
    kept = ", ".join(f"{count} {name.lower()}" for name, count in sorted(what.items()))
    return f"{why}; what has ended is kept in memory until it can be written{kept and f' ({kept})'}"


def not_readable(why: str) -> str:
    """Why a task is over that the journal has, but not as outlast has written it."""
    return f"could not be read: {why}"


def not_stored(why: str) -> str:
    """Why a task is over, or is told of no more than this: what was to be stored of it is nothing for a journal."""
    return f"could not be stored: {why}"


def value_refused(path: object, why: object) -> str:
    """The journal is well, and something that was to be stored is nothing for a journal."""
    return f"the journal {path} refused: {why}"


def stranger_listens(socket: object, user: str) -> str:
    """Where the runner is expected, somebody else is."""
    return (
        f"whoever listens at {socket} runs as {user}, not as this user: nothing is said to it, and tasks, which are "
        "stored, wait until a runner of this user's can listen there"
    )


def stranger_called(user: str, calls: int) -> str:
    """Somebody else wanted to speak to the runner."""
    again = f" ({calls} times)" if calls > 1 else ""
    return f"a process of {user} called this runner, which listens to its own user and to root only{again}: hung up on"


def cannot_listen(socket: object, why: object) -> str:
    """A runner cannot have the place where web workers look for it."""
    return f"the runner cannot listen at {socket}: {why}. If that is not this user's, remove it"


def meant_for_another(journal: object, meant: str) -> str:
    """A web worker has come to the wrong runner."""
    return f"a web worker of the journal {meant} called the runner of {journal}, and was hung up on"


def runner_of_before(pid: int, path: object) -> str:
    """After an upgrade, the last version's runner still works, under the names it knows."""
    return (
        f"runner {pid}, of the outlast before the upgrade, still moves the tasks of {path}: it leaves when the servers "
        "that it knows have stopped, and then another one starts; to have that now, send it SIGTERM"
    )


def runs_on_trio() -> str:
    """An app under a server whose event loop is trio's."""
    return (
        "this server runs the app on trio, and outlast needs asyncio: its background tasks run inline, in the web "
        "worker, and are lost when that dies, as with FastAPI alone; run it on asyncio (hypercorn without -k trio)"
    )
