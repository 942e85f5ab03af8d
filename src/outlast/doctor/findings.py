"""What the doctor says: findings, each with a code, a place, one sentence and one remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`finding`: something will go wrong, exit code 3. `note`: worth knowing."""

    FINDING = "finding"
    NOTE = "note"


_TASKS = "Tasks that cannot leave the web worker"
_SCHEDULES = "Schedules that never run"
_LOOPS = "Code that blocks an event loop"
_STARTING = "Start-up code that task processes run, too"
_SOURCE = "Source"
_SERVER = "Server"
_JOURNAL = "Journal"
_SETTINGS = "Settings"


class Code(StrEnum):
    """The stable name of each kind of finding, and the heading under which people see it; in the order of these."""

    heading: str

    def __new__(cls, value: str, heading: str) -> Code:
        self = str.__new__(cls, value)
        self._value_, self.heading = value, heading
        return self

    NOT_INSTALLED = "not-installed", _TASKS
    NO_NAME = "no-name", _TASKS
    CANNOT_TRAVEL = "cannot-travel", _TASKS
    WRONG_ARGUMENTS = "wrong-arguments", _TASKS
    MODULE_STATE = "module-state", _TASKS
    NEVER_RUNS = "never-runs", _SCHEDULES
    BLOCKING_CALL = "blocking-call", _LOOPS
    SLOW_CALL = "slow-call", _LOOPS
    RUNS_TWICE = "runs-twice", _STARTING
    SET_UP_APART = "set-up-apart", _STARTING
    SYNTAX_ERROR = "syntax-error", _SOURCE
    NOT_READ = "not-read", _SOURCE
    ASGI_GRACE = "asgi-grace", _SERVER
    TRIO = "trio", _SERVER
    MAX_REQUESTS = "max-requests", _SERVER
    PRELOAD = "preload", _SERVER
    HOOK_NOT_CALLED = "hook-not-called", _SERVER
    SHORT_TIMEOUT = "short-timeout", _SERVER
    SHORT_STOP = "short-stop", _SERVER
    HANDLER_NOT_FOLLOWED = "handler-not-followed", _SERVER
    LINES_NOT_FOLLOWED = "lines-not-followed", _SERVER
    JOURNAL_PLACE = "journal-place", _JOURNAL
    JOURNAL_UNREADABLE = "journal-unreadable", _JOURNAL
    TWO_JOURNALS = "two-journals", _JOURNAL
    NO_WORKER = "no-worker", _JOURNAL
    CLOSED_DASHBOARD = "closed-dashboard", _SETTINGS
    UNKNOWN_VARIABLE = "unknown-variable", _SETTINGS
    UNREAD_VARIABLE = "unread-variable", _SETTINGS
    REDACTED_IN_PART = "redacted-in-part", _SETTINGS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    file: the file, or the name of the variable or option that says so. line: from 1 on; 0 is the whole of it.
    sentence: what is wrong. remedy: what to do about it.
    """

    code: Code
    severity: Severity
    file: str
    line: int
    sentence: str
    remedy: str


def finding(code: Code, place: tuple[str, int], sentence: str, remedy: str) -> Finding:
    """Something that will go wrong."""
    return Finding(code, Severity.FINDING, *place, sentence, remedy)


def note(code: Code, place: tuple[str, int], sentence: str, remedy: str) -> Finding:
    """Something worth knowing."""
    return Finding(code, Severity.NOTE, *place, sentence, remedy)


def refusal(code: Code, place: tuple[str, int], refused: str) -> Finding:
    """A finding of what run time refuses with; its words end with the remedy, behind the last colon."""
    sentence, _, remedy = refused.rpartition(": ")
    return finding(code, place, sentence, remedy)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, by group, file and line."""
    codes = list(Code)
    return sorted(set(findings), key=lambda one: (codes.index(one.code), one.file, one.line, one.sentence))
