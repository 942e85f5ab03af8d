"""The one sentence for each thing that keeps outlast's own threads and processes from their work, and its end."""

from __future__ import annotations

from logging import ERROR, WARNING
from pathlib import Path

from outlast.events import words
from outlast.events.event import Event, Told


class NotResumed(Event, level=ERROR):
    why: str
    sentence = "{why}; what waits from before runs as soon as the journal can be used: it is tried again until then"


class Resumed(Event, level=WARNING):
    journal: Path
    sentence = "the journal {journal} can be used again: what waits from before runs"


class HandlerNotFollowed(Event, level=WARNING):
    """A handler that the server has put up is not there in a task process. `logger` is empty for the root."""

    handler: str
    logger: str
    why: str

    def __str__(self) -> str:
        return (
            f"the handler {self.handler.replace(':', '.')} of logger {self.logger or 'root'!r} in the server cannot be "
            f"put up in task processes ({self.why}): what tasks log there goes to stderr. Put it up where the app's "
            "module is imported"
        )


class LinesNotFollowed(Event):
    formatter: str
    sentence = (
        "lines of the runner have outlast's own format: what {formatter} makes of a line in the server cannot be told "
        "to another process. Give the logger 'outlast' a StreamHandler with the format that they shall have, and "
        "`propagate = False`, if it shall be another"
    )


class EndsGivenUp(Event, level=WARNING):
    count: int
    most: int
    sentence = (
        "callbacks (outlast.on_end) will not be told of the ends of {count} tasks: only the newest {most} are kept"
    )


class NotForeseen(Event, level=ERROR):
    who: str
    what: str
    then: str
    times: int

    def __str__(self) -> str:
        again = words.by_now(self.times)
        met = f"{self.who} has met an error that outlast did not foresee{again}"
        return f"{met}: {self.what}; {self.then}. Please report it"


class ProjectNotRead(Event, level=ERROR):
    sentence = "could not read ahead in the project's source: each function is looked at when it is added"


class Doubt(Told, level=WARNING):
    """Something about a setting, the app, a variable or a place is not as it should be."""


def no_thread(what: str, why: str) -> str:
    """The system gives no thread. `what` one would do."""
    return (
        f"no thread can be started that {what}: {why}. More processes and threads have to be allowed "
        "(ulimit -u, TasksMax of the service, pids limit of the container)"
    )


class RunnerNotStarted(Event, level=ERROR):
    journal: Path
    why: str
    sentence = "the runner of {journal} cannot be started: {why}. Stored tasks wait; it is tried again until it works"


class NoRunnerAnswers(Event, level=ERROR):
    socket: Path
    sentence = "no runner answers at {socket}, starting another, until one does"


class RunnerReached(Event, level=WARNING):
    journal: Path
    sentence = "the runner of {journal} is reached again"


class NobodyCanConnect(Event, level=ERROR):
    socket: Path
    why: str
    sentence = (
        "no web worker can connect at {socket}: {why}. It is tried again each second; those that are connected stay"
    )


class ListensAnew(Event, level=WARNING):
    socket: Path
    sentence = "{socket} was deleted or replaced: the runner has made it anew"


def ended_itself(why: str) -> str:
    """How a task process ended that could not go on, to be put behind its pid."""
    return f"ended itself: {why}"


def process_ended_itself(pid: int, why: str) -> str:
    return f"its process {pid} ended itself, since {why}"


def may_have_begun(pid: int, how: str) -> str:
    return f"its process {pid} {how}, and nobody knows whether it had begun there: what that has left could not be read"


def no_thread_for_it(pid: int, why: str) -> str:
    """Why a `def` has not begun, to be put behind `cut since`."""
    return f"its process {pid} could start no thread for it ({why})"


def writer_full(waiting: int) -> str:
    """A web worker's writer takes nothing new: the journal has not taken what it has."""
    return f"the writer has {waiting} changes waiting that the journal has not taken yet"


class ChangesGivenUp(Event, level=ERROR):
    waiting: int
    lost: dict[str, int]

    def __str__(self) -> str:
        lost = " and ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in sorted(self.lost.items()))
        return f"{writer_full(self.waiting)}: {lost} not taken"


class ChangeSetAside(Event, level=ERROR):
    change: str
    why: str
    sentence = "one change ({change}) is set aside, all others are stored: {why}"


class IncidentLeftOut(Event, level=ERROR):
    most: int
    incident: str
    sentence = "{most} incidents wait to be written: the journal will not know of this one: {incident}"


class KeptInMemory(Event, level=ERROR):
    why: str
    kept: dict[str, int]

    def __str__(self) -> str:
        kept = ", ".join(f"{count} {name.lower()}" for name, count in sorted(self.kept.items()))
        return f"{self.why}; what has ended is kept in memory until it can be written{kept and f' ({kept})'}"


def not_readable(why: str) -> str:
    """Why a task is over that the journal has, but not as outlast has written it."""
    return f"could not be read: {why}"


def not_stored(why: str) -> str:
    """Why a task is over, or is told of no more than this: what was to be stored of it is nothing for a journal."""
    return f"could not be stored: {why}"


def value_refused(path: object, why: object) -> str:
    """The journal is well, and something that was to be stored is nothing for a journal."""
    return f"the journal {path} refused: {why}"


class StrangerAnswers(Told, level=ERROR):
    """Where the runner is expected, somebody else is."""


def stranger_listens(socket: object, user: str) -> str:
    return (
        f"whoever listens at {socket} runs as {user}, not as this user: nothing is said to it, and tasks, which are "
        "stored, wait until a runner of this user's can listen there"
    )


class StrangerCalled(Event, level=WARNING):
    user: str
    calls: int

    def __str__(self) -> str:
        again = f" ({self.calls} times)" if self.calls > 1 else ""
        return (
            f"a process of {self.user} called this runner, which listens to its own user and to root only{again}: "
            "hung up on"
        )


def cannot_listen(socket: object, why: object) -> str:
    return f"the runner cannot listen at {socket}: {why}. If that is not this user's, remove it"


class MeantForAnother(Event, level=ERROR):
    journal: Path
    meant: str
    sentence = "a web worker of the journal {meant} called the runner of {journal}, and was hung up on"


class HelloNotRead(Told, level=ERROR):
    """A web worker has sent what is no hello."""


def runner_of_before(pid: int, path: object) -> str:
    """After an upgrade, the last version's runner still works, under the names it knows."""
    return (
        f"runner {pid}, of the outlast before the upgrade, still moves the tasks of {path}: it leaves when the servers "
        "that it knows have stopped, and then another one starts; to have that now, send it SIGTERM"
    )
