"""Looks into the journal for all code of this process that wants to know how a task stands, or waits for its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace

from outlast.errors import JournalMissing, OutlastError, TaskNotFound
from outlast.ids import shown
from outlast.journal.read import History, Record, Standing
from outlast.system.forks import OfOneProcess
from outlast.system.process import this
from outlast.system.threads import OwnThread

PACE = 0.02  # seconds between questions whether anything has changed
SHARE = 20  # one part in so many of the time is spent with looking, at most
LINGER = 1.0  # seconds that the thread stays when nobody waits


@dataclass(frozen=True, slots=True)
class Question:
    """How a task stands; once it has ended, if `for_end`; once it stands otherwise, if it was `seen` before."""

    number: int
    for_end: bool = False
    seen: Record | None = None
    answer: Future[Standing] = field(default_factory=Future)

    def again(self) -> Question:
        """The same, not answered yet."""
        return replace(self, answer=Future())

    def is_met_by(self, standing: Standing) -> bool:
        """Whether that is news for who asks."""
        return self.seen is None or standing.record != self.seen


class Lookout(OfOneProcess):
    """One thread, and one statement for all that is asked. While nobody asks there is neither."""

    def __init__(self, history: Callable[[], History]) -> None:
        """`history` opens the read side of the journal."""
        self._history = history
        self._inherited: list[View] = []
        self._view = View(history)
        self._begin_anew()
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """The thread is the parent's, and so is what it has open, which must not even be closed here."""
        self._inherited.append(self._view)
        self._view = View(self._history)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._change = threading.Condition()
        self._fresh: list[Question] = []
        self._waiting: list[Question] = []
        self._has_thread = False

    def ask(self, question: Question) -> Future[Standing]:
        """From any thread. The answer may be TaskNotFound or JournalUnusable; cancel it to give up waiting.

        Raises RuntimeError when the system gives no thread.
        """
        with self._change:
            if not self._has_thread:
                OwnThread("outlast-lookout", self._run).start()
                self._has_thread = True
            self._fresh.append(question)
            self._change.notify()
        return question.answer

    def _run(self) -> None:
        while self._is_wanted():
            try:
                self._look()
            except JournalMissing:
                self._answer_all(TaskNotFound("there is no journal yet: nobody has stored a task"))
            except OutlastError as error:
                self._answer_all(error)

    def _is_wanted(self) -> bool:
        """Wait until somebody asks, or it is time to look again; False when nobody does any more."""
        with self._change:
            self._waiting = [one for one in self._waiting if not one.answer.done()]
            if not self._fresh:
                self._change.wait(self._view.rest() if self._waiting else LINGER)
            if not (self._fresh or self._waiting):
                self._has_thread = False
                self._view.close()
            return self._has_thread

    def _look(self) -> None:
        with self._change:
            fresh, self._fresh = self._fresh, []
            self._waiting += fresh
        asked = self._waiting if self._view.has_changed() else fresh
        for question, answer in self._view.answers(asked):
            _answer(question, answer)

    def _answer_all(self, error: Exception) -> None:
        self._view.close()
        for one in self._waiting:
            _answer(one, error)


class View:
    """What the thread has open, and how often it looks."""

    def __init__(self, history: Callable[[], History]) -> None:
        self._open = history
        self._history: History | None = None
        self._seen: Hashable = None
        self._next_look = 0.0

    def close(self) -> None:
        """Opened anew when it is used again."""
        self._history = self._seen = None

    def rest(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._next_look - time.monotonic())

    def has_changed(self) -> bool:
        """Whether the journal has, since this was asked for the last time; False while it is too early to ask."""
        if self._history is not None and self.rest():
            return False
        history = self._there()
        before, self._seen = self._seen, history.version()
        self._next_look = time.monotonic() + PACE
        return self._seen != before

    def _there(self) -> History:
        """The journal that is at its place now."""
        if self._history is None or self._history.version() is None:
            self._history, self._seen = self._open(), None
        return self._history

    def answers(self, asked: Sequence[Question]) -> list[tuple[Question, Standing | Exception]]:
        """To those of them that can be answered now."""
        if not asked:
            return []
        began, history = time.monotonic(), self._there()
        ended = history.have_ended({one.number for one in asked})
        due = [one for one in asked if ended.get(one.number, True) or not one.for_end]
        standings = history.standings(_known(due, ended)) if due else {}
        self._next_look = max(self._next_look, began + (time.monotonic() - began) * SHARE)
        found = [(one, standings.get(one.number) or _unknown(one.number)) for one in due]
        return [(one, news) for one, news in found if isinstance(news, Exception) or one.is_met_by(news)]


def _known(due: Sequence[Question], known: Collection[int]) -> set[int]:
    return {one.number for one in due if one.number in known}


def _unknown(number: int) -> TaskNotFound:
    what = "it was deleted, is past keeping, or is one of a response that has not started"
    return TaskNotFound(f"no task {shown(number)} in the journal: {what}")


def _answer(question: Question, answer: Standing | Exception) -> None:
    if not question.answer.done() and question.answer.set_running_or_notify_cancel():
        with suppress(RuntimeError):  # the event loop of whoever asked has been closed
            if isinstance(answer, Exception):
                question.answer.set_exception(answer)
            else:
                question.answer.set_result(answer)
