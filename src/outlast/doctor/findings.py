"""What the doctor says: findings, each with a code, a place, one sentence and one remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`finding`: something will go wrong, exit code 3. `note`: worth knowing."""

    FINDING = "finding"
    NOTE = "note"


class Code(StrEnum):
    """The stable name of each kind of finding."""

    NOT_INSTALLED = "not-installed"
    NO_NAME = "no-name"
    CANNOT_TRAVEL = "cannot-travel"
    WRONG_ARGUMENTS = "wrong-arguments"
    MODULE_STATE = "module-state"
    BLOCKING_CALL = "blocking-call"
    SLOW_CALL = "slow-call"
    RUNS_TWICE = "runs-twice"
    SYNTAX_ERROR = "syntax-error"
    NOT_READ = "not-read"
    ASGI_GRACE = "asgi-grace"
    TRIO = "trio"
    MAX_REQUESTS = "max-requests"
    SHORT_TIMEOUT = "short-timeout"
    SHORT_STOP = "short-stop"
    JOURNAL_PLACE = "journal-place"
    JOURNAL_UNREADABLE = "journal-unreadable"
    TWO_JOURNALS = "two-journals"
    NO_WORKER = "no-worker"
    UNKNOWN_VARIABLE = "unknown-variable"
    UNREAD_VARIABLE = "unread-variable"


GROUPS = {
    "Tasks that cannot leave the web worker": (
        *(Code.NOT_INSTALLED, Code.NO_NAME, Code.CANNOT_TRAVEL, Code.WRONG_ARGUMENTS, Code.MODULE_STATE),
    ),
    "Code that blocks an event loop": (Code.BLOCKING_CALL, Code.SLOW_CALL),
    "Start-up code that task processes run, too": (Code.RUNS_TWICE,),
    "Source": (Code.SYNTAX_ERROR, Code.NOT_READ),
    "Server": (Code.ASGI_GRACE, Code.TRIO, Code.MAX_REQUESTS, Code.SHORT_TIMEOUT, Code.SHORT_STOP),
    "Journal": (Code.JOURNAL_PLACE, Code.JOURNAL_UNREADABLE, Code.TWO_JOURNALS, Code.NO_WORKER),
    "Settings": (Code.UNKNOWN_VARIABLE, Code.UNREAD_VARIABLE),
}
"""The headings under which people see them, in order."""


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
