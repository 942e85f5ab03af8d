"""The one sentence for each way an attempt ends, or is made to: log, timeline and command line share it."""

from __future__ import annotations

from logging import DEBUG, ERROR, INFO, WARNING

from outlast.events import words
from outlast.events.event import Event, log
from outlast.ids import shown
from outlast.text import MOST_NAME, MOST_REASON, one_line

AGAIN = "it runs again"  # what follows is left out of the reason of one that was cancelled meanwhile
INNOCENT = "this does not count against it"


def drain_is_over(seconds: float, *, told: bool) -> str:
    since = "its runner was told to stop" if told else "the last web worker had gone"
    return f"it was still running {seconds:g} s after {since} (setting `drain`)"


CODE_REPLACED = "its code has been replaced several times"


def result_not_kept(why: str) -> str:
    return f"its result is not kept: {why}"


NO_RESULTS_KEPT = result_not_kept("none is, by the setting `max_result`")


def result_too_large(most: int) -> str:
    what = f"it is more than {most} bytes of JSON (setting `max_result`)"
    return result_not_kept(f"{what}: store the data and return its key or path")


About = tuple[str, str, int, str, str]
"""Of which attempt something is told: the fields of an `AttemptEvent`."""


def about(task_id: int, function: str, attempt: int, lane: str, queue: str = "") -> About:
    """Fit to be logged."""
    return shown(task_id), one_line(function, MOST_NAME), attempt, str(lane), queue and one_line(queue, MOST_NAME)


class AttemptEvent(Event):
    """What has happened to an attempt. `task_id` is as people see it; `queue` is empty where the task is in none."""

    task_id: str
    function: str
    attempt: int
    lane: str
    queue: str


class AttemptCut(AttemptEvent):
    why: str
    sentence = "task {task_id} {function} is cut and runs again, since {why}"


class MoreAttemptsCut(Event):
    count: int
    why: str
    sentence = "and {count} more tasks are cut and run again, since {why}"


class TaskEnded(AttemptEvent):
    state: str
    reason: str

    def __str__(self) -> str:
        why = self.reason and f": {one_line(self.reason, MOST_REASON)}"
        return f"task {self.task_id} {self.function} {self.state}{why}"


_LEVELS = {"done": DEBUG, "cancelled": INFO, "dropped": WARNING, "failed": ERROR}


def tell_end(state: str, reason: str, about: About, level: int | None = None) -> None:
    """A task has come to `state`. `level` is that of the state, if it is not given."""
    level = level or _LEVELS[state]
    if log.isEnabledFor(level):  # most tasks end well, and nobody listens
        TaskEnded(*about, "waits again" if state == "waiting" else state, reason).tell(level=level)


class AttemptFailed(AttemptEvent, level=ERROR):
    sentence = "task {task_id} {function} failed on attempt {attempt}"


class AttemptTriedAgain(AttemptEvent, level=WARNING):
    """It has raised, and its task is tried again."""

    retry: int
    retries: int
    sentence = "task {task_id} {function} failed on attempt {attempt}, and is tried again (retry {retry} of {retries})"


class AttemptWished(AttemptEvent):
    """It has raised to say what is to become of its task."""

    wish: str
    reason: str

    def __str__(self) -> str:
        why = self.reason and f": {one_line(self.reason, MOST_REASON)}"
        wish = f"outlast.{self.wish.capitalize()}"
        return f"task {self.task_id} {self.function} raised {wish} on attempt {self.attempt}{why}"


class InlineFailed(AttemptEvent, level=ERROR):
    """The same in a web worker. `site`: where it was added."""

    site: str
    sentence = "task {task_id} (inline, added at {site}) failed"


class CallbackFailed(AttemptEvent, level=ERROR):
    callback: str
    sentence = "the callback {callback} failed when it was told of the end of task {task_id}"


class CallbacksMissing(Event, level=WARNING):
    """The web worker has registered what this process has not."""

    sentence = (
        "callbacks are registered in the web worker (outlast.on_end, outlast.on_failure) and not in this task process: "
        "they are told of nothing. Register them where the module of the app is imported, not under `__main__` or later"
    )


class EndNotTold(AttemptEvent, level=ERROR):
    """Each process that has told callbacks of an end has died meanwhile."""

    sentence = (
        "callbacks are not told of the end of task {task_id} {function} any more: "
        "the processes that did so before have died of it"
    )


class TaskNotRead(Event, level=ERROR):
    task_id: str
    why: str
    sentence = "task {task_id}: {why}"


def crashed(pid: int, how: str, crashes: int, most: int) -> str:
    end = f"it ended its process {pid}, which {how}"
    if crashes < most:
        return f"{end}; {AGAIN}, alone ({_ordinal(crashes)} time, `max_crashes` is {most})"
    return f"{end}; {_ordinal(crashes)} time, `max_crashes` is {most}: it is not run again"


def suspected(pid: int, how: str, among: int, group_size: int) -> str:
    """Why an attempt is over although it may not be to blame."""
    end = f"its process {pid} {how} with {among} suspects in it"
    return f"{end}; {AGAIN}, {_next_time(group_size)}; {INNOCENT}"


def beside(pid: int, how: str) -> str:
    """Why an attempt is over that is known to be innocent."""
    return f"its process {pid} {how} because of another task; {AGAIN}; {INNOCENT}"


def went_down(why: str, cuts: int, alone_after: int, most: int) -> str:
    """Why an attempt is over that ran when everything went down."""
    if cuts >= most:
        return f"{why}, for the {_ordinal(cuts)} time while it ran: it may be the cause and is not run again"
    alone = ", with nothing beside it" if cuts >= alone_after else ""
    return f"{why}; {AGAIN}{alone} (this was the {_ordinal(cuts)} time; after the {_ordinal(most)} it does not)"


def interrupted(why: str) -> str:
    return f"cut since {why}; {AGAIN}; {INNOCENT}"


def not_begun(why: str) -> str:
    """A task that was claimed, and goes back to where it was."""
    return f"it was next and had not begun: {why}; it waits again; {INNOCENT}"


def its_process_was_dying(pid: int, how: str) -> str:
    return f"process {pid}, which was to run it, {how} before it had read it"


def before_has_not_ended(task_id: int) -> str:
    """Why what follows that task does not begin."""
    return f"task {shown(task_id)}, which it follows, has not ended"


BLOCKS_THE_LOOP = "its function, or that of one before it, was seen to block an event loop"
SUSPECT_RUNS = "a task that was there each time when everything went down runs first, with nothing beside it"
BEFORE_IS_GONE = "what it followed has ended unseen"
CANCELLED_BEFORE = "cancelled before it ran"
EXPIRED = "it had not begun when its time was over (option `expires`)"


def timed_out(timeout: float, pid: int) -> str:
    return f"it took longer than its timeout of {timeout:g} s{_by_force(pid)}"


def cancelled(seconds: float, pid: int) -> str:
    return f"cancelled after it had run for {seconds:.1f} s{_by_force(pid)}"


def cancelled_when_cut(reason: str) -> str:
    """Why an attempt is over that was cut before it could be stopped."""
    return f"cancelled, and cut before it had stopped ({reason.partition(f'; {AGAIN}')[0]})"


RETRY_RAISED = "it raised outlast.Retry"


def tried_again(reason: str, delay: float, retry: int, most: int) -> str:
    """Why a task waits whose attempt has failed."""
    return f"{_said(reason)}; tried again after {delay:.1f} s (retry {retry} of {most})"


def no_retry_left(reason: str, most: int) -> str:
    """Why a task has failed that was tried again so often."""
    return f"{_said(reason)}; no retry is left (of {most})"


def snoozed(delay: float, reason: str) -> str:
    """Why a task waits that wanted to."""
    return f"it wants to run again after {delay:.1f} s{reason and f': {reason}'}"


def discarded(reason: str) -> str:
    """Why a task is over that wanted to be."""
    return f"it discarded itself{reason and f': {reason}'}"


def wish_refused(wish: str, reason: str) -> str:
    """Why an inline task has failed that wanted to run again."""
    return f"it raised outlast.{wish.capitalize()}{reason and f' ({reason})'}, but lane inline runs nothing again"


def not_rerun(reason: str) -> str:
    """Why a task has failed that was cut, and must not run twice."""
    return f"{reason.partition(f'; {AGAIN}')[0]}; it is not run again (option `on_crash`)"


def _said(reason: str) -> str:
    """A reason with room behind it."""
    return reason if len(reason) <= MOST_REASON - 80 else f"{reason[: MOST_REASON - 81]}…"


def stalled(seconds: float, pid: int) -> str:
    return (
        f"it had blocked the event loop for {seconds:.1f} s{_by_force(pid)}; "
        f"{AGAIN}, alone, and may take as long as it likes there; {INNOCENT}"
    )


def stuck(pid: int, silent: str, among: int, group_size: int) -> str:
    """Why an attempt is over whose process did nothing any more, as `silent` says."""
    end = f"its process {pid} was ended, with {among} suspects in it: {silent}"
    return f"{end}; {AGAIN}, {_next_time(group_size)}; {INNOCENT}"


def beside_stopped(task_id: int, pid: int) -> str:
    """Why a process was ended that an attempt was in, to be put behind `cut since`."""
    return f"task {shown(task_id)} in its process {pid} had to be stopped and did not listen"


def hung_up_on(fault: str) -> str:
    return (
        f"what it sent is no message ({fault})" if fault else "it had closed its connection to the runner and lived on"
    )


def silent(seconds: float, *, stopped: bool = False) -> str:
    if stopped:
        return f"it was silent for {seconds:.1f} s, since a signal had stopped it (SIGSTOP) and nobody let it go on"
    return f"it was silent for {seconds:.1f} s, since something in it held the interpreter's lock"


class AttemptGoesOn(AttemptEvent, level=WARNING):
    """It does not stop when it is told: others may finish beside it, then its process is ended."""

    pid: int
    why: str
    sentence = "task {task_id} ({function}) in task process {pid} does not stop although {why}"


def inline_cut(pid: int) -> str:
    return f"its web worker {pid} died while it ran in it (lane inline): it cannot travel, so it is not run again"


def inline_never_ran(pid: int) -> str:
    return f"its web worker {pid} died before it was known to have begun (lane inline): it cannot travel elsewhere"


def _by_force(pid: int) -> str:
    return f", did not stop when it was told, and its process {pid} was ended" if pid else ""


def _next_time(group_size: int) -> str:
    return "alone" if group_size == 1 else f"with at most {group_size - 1} beside it"


def _ordinal(count: int) -> str:
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


class PresumedToTravel(Event, level=WARNING):
    """A task had to be stored at once, before outlast had looked into the source of its function."""

    reason: str
    sentence = "a task was stored to run in a task process before its source had been looked into, although {reason}"


def out_of_memory(memory: int) -> str:
    return f"it wanted more memory than the {words.mib(memory)} that it may have"


def ignores_memory_error(memory: int) -> str:
    return f"MemoryError: {out_of_memory(memory)}, went on after each MemoryError, and its process was ended"


def became(state: str, attempt: int, when: str, reason: str) -> str:
    """What is now with a task that was in a process when something happened to it. `when` may be empty."""
    if state == "running":  # its reason is that of the attempt before
        return f"running, attempt {attempt}, since {when}"
    tried = f" on attempt {attempt}" if attempt and state in ("done", "failed") else ""
    return f"{state}{tried}{when and f' at {when}'}{reason and f': {reason}'}"


CUT = "cut"  # what becomes of a request whose process died
