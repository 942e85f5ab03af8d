"""Every error outlast raises. The sentence names what was wrong and what to do about it."""


class OutlastError(Exception):
    """The base of every error raised by outlast."""


class NotStorable(OutlastError, TypeError):
    """A task cannot be put into the journal: its function or an argument cannot travel to another process."""


class StoreFailed(OutlastError):
    """The journal could not take a task in time; the client is answered 503."""


class JournalBusy(StoreFailed):
    """Somebody else is writing to the journal, for longer than was waited."""


class StoreUnsure(StoreFailed):
    """Whether it was stored is not known: the answer was lost, maybe after the deed, as a network can.

    Whoever stored may store the same again, but for new tasks that the journal has by then (`unknown`): their ids are
    nobody else's. All other changes are guarded, and do nothing the second time; an incident may be counted twice, and
    of a task that runs again by hand it is said then that it did not have to.
    """


class TaskRefused(StoreFailed):
    """The journal is well but does not take this one task, for example since its id is taken, or a value is none."""


class IdTaken(TaskRefused):
    """Another task has the id of one of those that were to be stored; `ids` are those that are taken."""

    def __init__(self, ids: frozenset[int]) -> None:
        super().__init__("another task has the same id")
        self.ids = ids


class QueueFull(TaskRefused):
    """As many tasks wait in a queue as may (`max_waiting`). retry_after: seconds until it is worth another try."""

    def __init__(self, queue: str, max_waiting: int, retry_after: float = 1.0) -> None:
        super().__init__(f"queue {queue!r} is full: {max_waiting} of its tasks wait")
        self.queue = queue
        self.max_waiting = max_waiting
        self.retry_after = retry_after


class NotInstalled(OutlastError, LookupError):
    """No app of this process was given to `outlast.install`, or more than one and none is current."""


class SettingsError(OutlastError, ValueError):
    """A setting has a name or a value that outlast does not know."""


class OptionError(OutlastError, ValueError):
    """An option of a task has a value that outlast cannot use."""


class JournalUnusable(OutlastError):
    """The journal cannot be opened: no permission, not a journal, a network file system, a newer version."""


class JournalMissing(JournalUnusable):
    """There is no journal yet: nobody has stored a task."""


class NotAJournal(JournalUnusable):
    """What lies at the journal's path is a database of somebody else's: nothing is done to it."""


class TaskNotFound(OutlastError, LookupError):
    """No task of that id, or of that prefix, is in the journal."""


class ScheduleNotFound(OutlastError, LookupError):
    """No schedule of that name is in the journal, or several apps have one."""


class TaskFailed(OutlastError):
    """A task has ended, but not as done: its `state`, the `reason`, and the `traceback` of its last attempt or ""."""

    def __init__(self, task: str, state: str, reason: str, traceback: str = "") -> None:
        super().__init__(f"task {task} {state}: {reason}" if reason else f"task {task} {state}")
        self.state = state
        self.reason = reason
        self.traceback = traceback


class NotRepeatable(OutlastError):
    """A task cannot be asked for once more; the sentence says why."""


class NoResult(OutlastError, LookupError):
    """What a task has returned was not kept, or cannot be read back."""


class StashGone(OutlastError, FileNotFoundError):
    """A stashed file is not there any more: all tasks had ended that it was given to. Or it is not what it was."""


class MessageTooBig(OutlastError, ValueError):
    """A message between processes of outlast is larger than the other side reads."""


class IncidentNotFound(OutlastError, LookupError):
    """No incident of that number is in the journal."""


class TargetNotFound(OutlastError, ImportError):
    """The app named by `module:name` cannot be imported."""


class StrangerListens(OutlastError):
    """Where the runner is expected, a process of another user listens."""


class WorkerRefused(OutlastError):
    """A runner cannot start here: another one already moves the tasks of this journal."""


class ExtraMissing(OutlastError, ImportError):
    """A package is not installed that only a part of outlast needs."""
