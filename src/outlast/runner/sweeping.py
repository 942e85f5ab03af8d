"""Removing stashed files that no task needs any more, in a thread: a large one takes the disk a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from outlast.errors import JournalUnusable
from outlast.events.event import Once
from outlast.events.hindrances import Doubt
from outlast.journal.engines import open_stashed_files
from outlast.journal.location import url_at
from outlast.journal.read import StashedFiles
from outlast.system.place import Place
from outlast.system.stash import Stash
from outlast.system.threads import OwnThread, started
from outlast.text import in_one_line

EVERY = 1.0  # seconds between two looks, or longer: a look takes at most a fiftieth of the time
SHARE = 50
SETTLED = 1.0  # seconds for which all tasks have to have ended that one was given to
LOST = 30.0  # seconds for which no task has to know one that nobody holds
MOST_SAID = 10  # reasons why it cannot be swept
MOST = 500  # names that are asked for at once


class Sweeper:
    """`clock` gives monotonic seconds. What was seen can be forgotten: then it is seen again."""

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._stash = Stash(place)
        self._url = url_at(place)
        self._clock = clock
        self._files: StashedFiles | None = None
        self._since: dict[str, float] = {}

    def sweep(self) -> int:
        """Remove what has not been needed for long enough; returns how many that were.

        One that somebody holds, or that an unfinished task has, is needed. Raises JournalUnusable, and OSError where
        the folder is not to be used; one file alone that cannot be removed is left.
        """
        names = self._stash.names()
        self._since = {name: self._since[name] for name in names if name in self._since}
        return sum(self._removed(names[at : at + MOST]) for at in range(0, len(names), MOST))

    def _removed(self, names: list[str]) -> int:
        known, gone = self._known(names), 0
        for name in names:
            with suppress(OSError):  # it is not ours, or was removed by somebody
                gone += self._remove(name, known.get(name))
        return gone

    def _remove(self, name: str, is_needed: bool | None) -> bool:  # noqa: FBT001
        """Whether it is gone; `is_needed` is None where no task knows it."""
        if is_needed or self._stash.is_held(name):
            self._since.pop(name, None)
            return False
        patience = LOST if is_needed is None else SETTLED
        since = self._since.setdefault(name, self._clock())
        return self._clock() - since >= patience and self._stash.remove(name)

    def _known(self, names: list[str]) -> dict[str, bool]:
        if self._files is None or self._files.version() is None:
            self._files = open_stashed_files(self._url)
        return self._files.needed(names)


@contextmanager
def sweeping(place: Place) -> Iterator[None]:
    """A block in which it is looked now and then."""
    stop = threading.Event()

    def work() -> None:
        sweeper, patience, once = Sweeper(place), EVERY, Once(MOST_SAID)
        while not stop.wait(patience):
            began = time.monotonic()
            try:
                sweeper.sweep()
            except OSError as error:
                once.tell(Doubt(f"stashed files are not removed when their tasks have ended: {in_one_line(error)}"))
            except JournalUnusable:  # the runner itself has that to say
                continue
            patience = max(EVERY, (time.monotonic() - began) * SHARE)

    thread = OwnThread("outlast-sweeper", work)
    started(thread)
    try:
        yield
    finally:
        stop.set()
