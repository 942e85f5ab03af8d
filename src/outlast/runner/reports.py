"""What task processes report, as records: what one says is taken apart here, once, made clean and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from outlast.events import endings
from outlast.journal.turn import Reached
from outlast.tasks.log import MOST_LOG, TaskLog
from outlast.tasks.outcome import MOST_RESULT, RETURNED, Raised, Returned, Wish, Wished
from outlast.tasks.policy import MOST_DELAY
from outlast.tasks.progress import MOST_CHECKPOINT, Progress
from outlast.text import MOST_REASON, MOST_TRACEBACK, clean, one_line
from outlast.watch.incident import Cause, Incident
from outlast.wire.frames import Message


class Notice(Enum):
    """Of a task process, without more."""

    ALIVE = "it lives, or says what this runner does not know"
    STALE = "a file that it has imported has changed"
    SPOILED = "a thread of it does not come back: it can take no more"
    WAKE = "it has stored a task of its own"


@dataclass(frozen=True, slots=True)
class Stands:
    """It imports the app, or enters the lifespan, and where it is by now."""

    at: str


@dataclass(frozen=True, slots=True)
class Broken:
    """It cannot start. `why` is one sentence, and behind a line break what else there is to say."""

    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """It has imported the app."""

    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """It has entered the lifespan, and can take attempts."""

    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Milestones:
    """How far attempts have come."""

    reached: tuple[Reached, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """Attempts have ended by themselves, each with its task's id: they have returned, or raised."""

    ends: tuple[tuple[int, Returned | Raised], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """It has logged how an attempt has failed."""

    task_id: int


@dataclass(frozen=True, slots=True)
class Steered:
    """An attempt has ended by saying what is to become of its task."""

    task_id: int
    wished: Wished


@dataclass(frozen=True, slots=True)
class Cut:
    """An attempt has ended for no reason of its own."""

    task_id: int
    why: str


@dataclass(frozen=True, slots=True)
class GivenBack:
    """An attempt could not begin, for want of a thread."""

    task_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """An attempt has not begun: the code of this process does not know the task."""

    task_id: int
    why: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Known:
    """Of tasks that it was asked about, each with the reason why its code does not know it, or "" if it does."""

    answers: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Its event loop has stood still for so many seconds.

    task, function, code: whose code that is, 0 and empty where nobody is to blame. unstarted: the attempts that it has
    not begun, and gives back.
    """

    cause: Cause
    seconds: float
    sentence: str
    task_id: int
    function: str
    code: str
    unstarted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Free:
    """Its event loop goes on, after so many seconds."""

    seconds: float
    incident: Incident


OfItsStart = Stands | Broken | Imported | Ready
OfAttempts = Milestones | Ended | Told | Steered | Cut | GivenBack | Unknown | Known
Report = Notice | OfItsStart | OfAttempts | Blocked | Free


def read(message: Message) -> Report:
    """From another process. Raises one of NOT_OURS for what is none."""
    reader = _READERS.get(str(message.get("type")))
    return reader(message) if reader else Notice.ALIVE


def _milestones(message: Message) -> Milestones:
    return Milestones(tuple(_reached(*one) for one in message["tasks"]))


def _reached(task: object, attempt: object, progress: object, checkpoint: object, *log: object) -> Reached:
    """Raises ValueError for what is too large."""
    so_far = None if progress is None else Progress.read(str(progress)).text()
    value = None if checkpoint is None else str(checkpoint)
    if len(value or "") > MOST_CHECKPOINT:
        raise ValueError("a checkpoint that is larger than one may be")
    return Reached(int(str(task)), int(str(attempt)), so_far, value, _log(*log) if log else None)


def _log(text: object, left_out: object, most: object) -> TaskLog:
    return TaskLog(clean(text, MOST_LOG), max(0, int(str(left_out))), min(MOST_LOG, max(0, int(str(most)))))


def _ended(message: Message) -> Ended:
    return Ended(tuple((int(task), _end(*end)) for task, *end in message["tasks"]))


def _end(why: object, traceback: object, kinds: Iterable[object], *returned: object) -> Returned | Raised:
    if why:
        return Raised(str(why), str(traceback), tuple(map(str, kinds)))
    return _returned(*returned) if returned else RETURNED


def _returned(result: object, lost: object) -> Returned:
    if result is None:
        return Returned(lost=_line(lost))
    text = str(result)
    return Returned(text) if _can_be_stored(text) else Returned(lost=endings.result_not_kept("it is no JSON"))


def _can_be_stored(text: str) -> bool:
    try:
        return "\0" not in text and len(text.encode()) <= MOST_RESULT
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _steered(message: Message) -> Steered:
    after = None if message["after"] is None else min(max(0.0, float(message["after"])), MOST_DELAY)
    where = clean(message["traceback"], MOST_TRACEBACK)
    return Steered(int(message["task"]), Wished(Wish(message["wish"]), _line(message["reason"]), after, where))


def _unknown(message: Message) -> Unknown:
    return Unknown(int(message["task"]), _line(message["why"]), clean(message["traceback"], MOST_TRACEBACK))


def _blocked(message: Message) -> Blocked:
    return Blocked(
        cause=Cause(message["cause"]),
        seconds=float(message["seconds"]),
        sentence=_line(message["sentence"]),
        task_id=int(message["task"]),
        function=str(message["function"]),
        code=str(message["code"]),
        unstarted=tuple(map(int, message["unstarted"])),
    )


def _line(text: object) -> str:
    return one_line(text, MOST_REASON)


def _remarks(given: Message) -> tuple[str, ...]:
    return tuple(filter(None, map(_line, given["remarks"])))


_READERS: Mapping[str, Callable[[Message], Report]] = {
    "stands": lambda given: Stands(_line(given["at"])),
    "broken": lambda given: Broken(clean(given["why"], 2 * MOST_TRACEBACK)),
    "imported": lambda given: Imported(_remarks(given)),
    "ready": lambda given: Ready(_remarks(given)),
    "reached": _milestones,
    "ended": _ended,
    "told": lambda given: Told(int(given["task"])),
    "wished": _steered,
    "cut": lambda given: Cut(int(given["task"]), _line(given["why"])),
    "back": lambda given: GivenBack(int(given["task"]), _line(given["why"])),
    "unknown": _unknown,
    "known": lambda given: Known(tuple((int(task), _line(why)) for task, why in given["tasks"])),
    "blocked": _blocked,
    "free": lambda given: Free(float(given["seconds"]), Incident.read(given["incident"])),
    "stale": lambda _: Notice.STALE,
    "spoiled": lambda _: Notice.SPOILED,
    "wake": lambda _: Notice.WAKE,
}
