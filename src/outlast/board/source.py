"""The journal of a dashboard, open for reading: one connection for each request that is answered at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from outlast.journal.engines import open_history, open_survey
from outlast.journal.read import History
from outlast.journal.survey import Survey
from outlast.settings.settings import Settings
from outlast.system.forks import OfOneProcess
from outlast.system.process import this

MOST_IDLE = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sides of a journal that is at its place."""

    url: str
    history: History
    survey: Survey


class Source(OfOneProcess):
    """Opens when somebody looks, and keeps what it has opened as long as it is the same journal."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._inherited: list[Opened] = []
        self._open: list[Opened] = []
        self._begin_anew()
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """What is open is the parent's, and must not even be closed here."""
        self._inherited += self._open
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._open = []  # all, so that a forked process knows what it has inherited
        self._idle: list[Opened] = []

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """For one thread. Raises JournalMissing when there is none, JournalUnusable when it cannot be read."""
        settings = self._settings()
        one = self._idle_one(settings.url) or self._new(settings)
        try:
            yield one
        except BaseException:
            self._forget(one)
            raise
        with self._lock:
            if one in self._open and len(self._idle) < MOST_IDLE:
                self._idle.append(one)
                return
        self._forget(one)

    def _idle_one(self, url: str) -> Opened | None:
        with self._lock:
            one = self._idle.pop() if self._idle else None
        if one is None:
            return None
        if one.url == url and one.history.version() is not None:
            return one
        self._forget(one)
        return None

    def _new(self, settings: Settings) -> Opened:
        url = settings.url
        one = Opened(url, open_history(url, settings.redact), open_survey(url))
        with self._lock:
            self._open.append(one)
        return one

    def _forget(self, one: Opened) -> None:
        with self._lock:
            self._open = [other for other in self._open if other is not one]
