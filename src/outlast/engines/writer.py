"""Group commit: one thread puts everything that waits into one transaction, so that many tasks share one fsync."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from outlast.engines.contract import Add, Begin, Cancel, Change, Drop, Journal, Note, Release, Settle
from outlast.errors import JournalUnusable, StoreFailed, TaskRefused
from outlast.tasks import NewTask, State

Answer = dict[int, bool]
"""Of the tasks that were to be cancelled, by id: whether they will not finish."""

log = logging.getLogger("outlast")
RETRY_AFTER = 0.5  # seconds between tries to write what must be written

Refusal = StoreFailed | JournalUnusable


@dataclass(slots=True, eq=False)
class Submission:
    """Changes that go into one transaction together, and whoever waits for them.

    With `future` someone waits: the first failure is theirs. Without, the writer tries until it is stored.
    """

    changes: Sequence[Change]
    future: Future[Answer] | asyncio.Future[Answer] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    withdrawn: bool = field(default=False)


class Writer:
    """Writes to the journal from one thread of its own, started at the first submission (so: after any fork).

    `enter(journal, known)` gives this process its id when the journal is first written (`known` is 0 then), and tells
    it to one that has come in its place. `stored` is called in the writer's thread after each transaction that made a
    task ready to run.
    """

    def __init__(self, journal: Journal, enter: Callable[[Journal, int], int], stored: Callable[[], None]) -> None:
        self._journal = journal
        self._enter = enter
        self._stored = stored
        self._reset()
        forget = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (reset := forget()) and reset())

    def _reset(self) -> None:
        """Start anew, as in a forked child: threads and connections stay with the parent."""
        self._queue: queue.SimpleQueue[Submission | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._owner = 0
        self._file: Hashable = None
        self._held: dict[int, NewTask] = {}
        self._failing = False

    async def store(self, changes: Sequence[Change], deadline: float) -> Answer:
        """Wait until `changes` are durable. Raises StoreFailed or JournalUnusable, after `deadline` seconds at most."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        submission = Submission(changes, future, loop)
        self._put(submission)
        timer = loop.call_later(deadline, self._expire, submission, deadline)
        try:
            return await future
        except asyncio.CancelledError:
            self._withdraw(submission)
            raise
        finally:
            timer.cancel()

    def _expire(self, submission: Submission, deadline: float) -> None:
        if submission.future is not None and not submission.future.done():
            self._withdraw(submission)
            submission.future.set_exception(_late(deadline))

    def store_now(self, changes: Sequence[Change], deadline: float) -> Answer:
        """The same for code without an event loop: blocks the calling thread."""
        future: Future[Answer] = Future()
        submission = Submission(changes, future)
        self._put(submission)
        try:
            return future.result(deadline)
        except TimeoutError:
            self._withdraw(submission)
            raise _late(deadline) from None

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Write `changes` as soon as possible, and try again until they are written. Nobody waits."""
        if changes:
            self._put(Submission(changes))

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, then end the thread; at most `patience` seconds."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(patience)

    def _withdraw(self, submission: Submission) -> None:
        """Nobody wants it any more: not to be written, or, if it has been by now, to be dropped again."""
        submission.withdrawn = True
        reason = "its request was answered 503 or given up before the task was stored"
        self.store_soon([Drop(one.task.id, reason) for one in submission.changes if isinstance(one, Add)])

    def _put(self, submission: Submission) -> None:
        self._queue.put(submission)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outlast-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        backlog: list[Submission] = []
        while True:
            batch, closing = self._next_batch(backlog)
            backlog = self._write(batch)
            if closing:
                self._journal.close()
                return

    def _next_batch(self, backlog: list[Submission]) -> tuple[list[Submission], bool]:
        """Everything that waits now; blocks when there is nothing."""
        batch = list(backlog)
        try:
            one = self._queue.get(timeout=RETRY_AFTER if backlog else None)
            while one is not None:
                batch.append(one)
                one = self._queue.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _write(self, batch: Sequence[Submission]) -> list[Submission]:
        """Write a batch in one transaction; returns what has to be tried again."""
        wanted = [one for one in batch if not one.withdrawn]
        try:
            answer = self._transact(wanted)
        except TaskRefused as error:
            return self._write_apart(wanted) if len(wanted) > 1 else self._refused(wanted, error)
        except (StoreFailed, JournalUnusable) as error:
            return self._refused(wanted, error)
        self._failing = False
        _answer(wanted, answer)
        if any(_makes_ready(change) for one in wanted for change in one.changes):
            self._stored()
        return []

    def _write_apart(self, batch: Sequence[Submission]) -> list[Submission]:
        """A batch was refused: write one after the other, so that only those at fault are refused."""
        return [left for one in batch for left in self._write([one])]

    def _refused(self, batch: Sequence[Submission], error: Refusal) -> list[Submission]:
        if not self._failing:
            log.error("%s", error)
        self._failing = True
        _answer(batch, error)
        return [one for one in batch if one.future is None]

    def _transact(self, batch: Sequence[Submission]) -> Answer:
        changes = [change for one in batch for change in one.changes]
        with self._journal.transaction():
            owner = self._known_owner()
            answer = _apply(self._journal, changes, owner)
        self._owner, self._file = owner, self._journal.file
        self._remember(changes)
        return answer

    def _known_owner(self) -> int:
        """This process's id, in a journal that has it. One that is new here may not know what the last one held."""
        if self._journal.file == self._file:
            return self._owner
        owner = self._owner = self._enter(self._journal, self._owner)  # it stays this one's, stored or not
        if lost := self._journal.unknown(self._held):
            self._journal.add([self._held[task] for task in lost], owner)
        return owner

    def _remember(self, changes: Iterable[Change]) -> None:
        """Keep what is held as long as its response lasts."""
        for change in changes:
            if isinstance(change, Add):
                if change.task.state is State.HELD:
                    self._held[change.task.id] = change.task
            elif isinstance(change, Release | Drop | Begin):
                self._held.pop(change.id, None)


def _apply(journal: Journal, changes: Sequence[Change], owner: int) -> Answer:
    """All changes of a batch, one statement per kind: adds first, since what follows is about them."""
    now = time.time()
    if adds := [one.task for one in changes if isinstance(one, Add)]:
        journal.add(adds, owner)
    if releases := [one.id for one in changes if isinstance(one, Release)]:
        journal.release(releases, now)
    if drops := [one for one in changes if isinstance(one, Drop)]:
        journal.drop(drops, now)
    if begins := [one.id for one in changes if isinstance(one, Begin)]:
        journal.begin(begins, owner, now)
    if settlements := [one.settlement for one in changes if isinstance(one, Settle)]:
        journal.settle(settlements, now)
    if incidents := [one.incident for one in changes if isinstance(one, Note)]:
        journal.note(incidents, now)
    cancels = [one.id for one in changes if isinstance(one, Cancel)]
    return journal.cancel(cancels, now) if cancels else {}


def _late(deadline: float) -> StoreFailed:
    return StoreFailed(f"the journal did not take the task within {deadline:g} s")


def _makes_ready(change: Change) -> bool:
    return isinstance(change, Release | Settle) or (isinstance(change, Add) and change.task.state is State.WAITING)


def _answer(batch: Iterable[Submission], answer: Answer | Exception) -> None:
    """Tell everybody who waits; one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Submission]] = defaultdict(list)
    for one in batch:
        if one.loop is not None:
            by_loop[one.loop].append(one)
        elif one.future is not None:
            _resolve([one], answer)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting, answer)
        except RuntimeError:  # that loop has been closed: nobody is left to be told
            continue


def _resolve(waiting: Iterable[Submission], answer: Answer | Exception) -> None:
    for one in waiting:
        if one.future is None or one.future.done():
            continue
        if isinstance(answer, Exception):
            one.future.set_exception(answer)
        else:
            one.future.set_result(answer)
