"""Every error outlast raises. The sentence names what was wrong and what to do about it."""


class OutlastError(Exception):
    """The base of every error raised by outlast."""


class NotStorable(OutlastError, TypeError):
    """A task cannot be put into the journal: its function or an argument cannot travel to another process."""


class StoreFailed(OutlastError):
    """The journal could not take a task in time; the client is answered 503."""


class JournalBusy(StoreFailed):
    """Somebody else is writing to the journal, for longer than was waited."""


class TaskRefused(StoreFailed):
    """The journal is well but does not take this one task, for example since its id is taken, or a value is none."""


class IdTaken(TaskRefused):
    """Another task has the id of one of those that were to be stored; `ids` are those that are taken."""

    def __init__(self, ids: frozenset[int]) -> None:
        super().__init__("another task has the same id")
        self.ids = ids


class NotInstalled(OutlastError, LookupError):
    """No app of this process was given to `outlast.install`, or more than one and none is current."""


class SettingsError(OutlastError, ValueError):
    """A setting has a name or a value that outlast does not know."""


class OptionError(OutlastError, ValueError):
    """An option of a task has a value that outlast cannot use."""


class JournalUnusable(OutlastError):
    """The journal cannot be opened: no permission, not a journal, a network file system, a newer version."""


class TaskNotFound(OutlastError, LookupError):
    """No task of that id, or of that prefix, is in the journal."""


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
