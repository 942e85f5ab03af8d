"""Group commit: one thread puts everything that waits into one transaction, so that many tasks share one fsync."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from outlast import hindrances
from outlast.engines.contract import Add, Begin, Cancel, Change, Drop, Journal, Note, Release, Settle
from outlast.engines.intake import RETRY_AFTER, Intake
from outlast.errors import JournalUnusable, StoreFailed, TaskRefused
from outlast.tasks import NewTask, State
from outlast.text import in_one_line
from outlast.threads import Complaints

Answer = dict[int, bool]
"""Of the tasks that were to be cancelled, by id: whether they will not finish."""

log = logging.getLogger("outlast")
FORK_PATIENCE = 3.0  # seconds that a fork waits for a transaction to end

Refusal = StoreFailed | JournalUnusable


@dataclass(slots=True, eq=False)
class Submission:
    """Changes that go into one transaction together, or a question, and whoever waits for the answer.

    With `future` someone waits: the first failure is theirs. Without, the writer tries until it is stored.
    """

    changes: Sequence[Change]
    future: Future[Any] | asyncio.Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    question: Callable[[Journal], int] | None = None
    withdrawn: bool = field(default=False)
    settled: bool = field(default=False)  # written, or whoever waits has been told that it is not


class Writer:
    """Writes to the journal from one thread of its own, started at the first submission (so: after any fork).

    `enter(journal, known)` gives this process its id when the journal is first written (`known` is 0 then), and tells
    it to one that has come in its place. `stored` is called in the writer's thread after each transaction that made a
    task ready to run, again if it fails. What nobody foresaw hurts those alone whose changes met it.
    """

    def __init__(self, journal: Journal, enter: Callable[[Journal, int], int], stored: Callable[[], None]) -> None:
        self._journal = journal
        self._enter = enter
        self._stored = stored
        self._complaints = Complaints("the journal's writer")
        self._reset()
        os.register_at_fork(
            before=_while_alive(self._before_fork),
            after_in_parent=_while_alive(self._after_fork_in_parent),
            after_in_child=_while_alive(self._after_fork_in_child),
        )

    def _reset(self) -> None:
        """Start anew: what waits is the other process's, if this one was forked, and so is the number."""
        self._intake: Intake[Submission] = Intake("outlast-writer", self._deal_with, self._journal.close)
        self._let_go: Callable[[], None] = _nothing
        self._owner = 0
        self._file: Hashable = None
        self._held: dict[int, NewTask] = {}
        self._failing = False
        self._has_news = False

    def _before_fork(self) -> None:
        """Close the journal until the fork is over: no connection to SQLite, nor a thread in it, may cross one."""
        self._let_go = self._intake.hold(FORK_PATIENCE)

    def _after_fork_in_parent(self) -> None:
        """Go on."""
        let_go, self._let_go = self._let_go, _nothing
        let_go()

    def _after_fork_in_child(self) -> None:
        """Use nothing of the parent's, also if it could not be closed in time."""
        self._journal.forget()
        self._reset()

    async def store(self, changes: Sequence[Change], deadline: float) -> Answer:
        """Wait until `changes` are durable. Raises StoreFailed or JournalUnusable, after `deadline` seconds at most."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        submission = Submission(changes, future, loop)
        self._intake.put(submission)
        timer = loop.call_later(deadline, self._expire, submission, deadline)
        if self._intake.refusal:
            self._insist(submission)
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
            submission.future.set_exception(self._late(deadline))

    def _insist(self, submission: Submission) -> None:
        """There is no thread yet: try again, as long as somebody waits for it."""
        if submission.future is not None and not submission.future.done() and not self._intake.open():
            assert submission.loop is not None  # noqa: S101 - its future is the loop's
            submission.loop.call_later(RETRY_AFTER / 5, self._insist, submission)

    def store_now(self, changes: Sequence[Change], deadline: float) -> Answer:
        """The same for code without an event loop: blocks the calling thread."""
        answer: Answer = self._wait_for(Submission(changes, Future()), deadline)
        return answer

    def ask_now(self, question: Callable[[Journal], int], deadline: float) -> int:
        """Have something read in the writer's thread, outside of a transaction: it takes no lock. Blocks like that."""
        number: int = self._wait_for(Submission((), Future(), question=question), deadline)
        return number

    def _wait_for(self, submission: Submission, deadline: float) -> Any:
        assert isinstance(submission.future, Future)  # noqa: S101 - it blocks
        until = time.monotonic() + deadline
        self._intake.put(submission)
        while self._intake.refusal and time.monotonic() < until and not self._intake.open():
            time.sleep(RETRY_AFTER / 5)
        try:
            return submission.future.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self._withdraw(submission)
            raise self._late(deadline) from None

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Write `changes` as soon as possible, and try again until they are written. Nobody waits."""
        if changes:
            self._intake.put(Submission(changes))

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, then close the journal; at most `patience` seconds. What is stored later opens it again."""
        self._intake.close(patience)

    def _late(self, deadline: float) -> StoreFailed:
        if self._intake.refusal:
            return StoreFailed(hindrances.no_thread("writes to the journal", self._intake.refusal))
        return StoreFailed(f"the journal did not take the task within {deadline:g} s")

    def _withdraw(self, submission: Submission) -> None:
        """Nobody wants it any more: not to be written, or, if it has been by now, to be dropped again."""
        submission.withdrawn = True
        reason = "its request was answered 503 or given up before the task was stored"
        self.store_soon([Drop(one.task.id, reason) for one in submission.changes if isinstance(one, Add)])

    def _deal_with(self, batch: Sequence[Submission]) -> list[Submission]:
        """Write what waits; returns what has to be tried again. In the writer's thread."""
        for one in batch:
            self._read(one)
        left = self._write_guarded([one for one in batch if not one.settled])
        self._tell_news()
        return left

    def _read(self, asked: Submission) -> None:
        if asked.question is None or asked.withdrawn:
            return
        try:
            answer: int | Exception = asked.question(self._journal)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            answer = error
        _answer([asked], answer)

    def _write_guarded(self, batch: Sequence[Submission]) -> list[Submission]:
        """What nobody foresaw is met by one submission alone: the others are written without it."""
        try:
            return self._write(batch) if batch else []
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not become everybody's
            self._journal.close()  # with whatever it had begun
            unsettled = [one for one in batch if not one.settled and not one.withdrawn]
            if len(unsettled) > 1:
                return [left for one in unsettled for left in self._write_guarded([one])]
            self._complaints.say(error, "it goes on, and tries again what nobody waits for")
            _answer(unsettled, StoreFailed(f"the task could not be stored: {in_one_line(error)}"))
            for one in unsettled:
                self._give_up(one)
            return [one for one in unsettled if not one.settled]

    def _give_up(self, one: Submission) -> None:
        """Whether it was stored is not known, and whoever waited has been told that it was not."""
        if one.future is not None:
            self._withdraw(one)

    def _tell_news(self) -> None:
        try:
            if self._has_news:
                self._stored()
            self._has_news = False
        except Exception as error:  # noqa: BLE001 - the tasks are stored whatever it is
            self._complaints.say(error, "what it has stored is stored, and the runner is told of it again")
        self._intake.is_restless = self._has_news

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
        self._has_news = self._has_news or any(_makes_ready(change) for one in wanted for change in one.changes)
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
        owner = self._enter(self._journal, self._owner)
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


def _nothing() -> None:
    return


def _while_alive(method: Callable[[], None]) -> Callable[[], None]:
    """A call of a method that keeps its object not alive: what is registered for forks cannot be taken back."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (alive := reference()) is not None:
            alive()

    return call


def _makes_ready(change: Change) -> bool:
    return isinstance(change, Release | Settle) or (isinstance(change, Add) and change.task.state is State.WAITING)


def _answer(batch: Iterable[Submission], answer: Answer | int | Exception) -> None:
    """Tell everybody who waits, one wake-up per event loop; what failed and nobody waits for stays unsettled."""
    for one in batch:
        one.settled = one.future is not None or not isinstance(answer, Exception)
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


def _resolve(waiting: Iterable[Submission], answer: Answer | int | Exception) -> None:
    for one in waiting:
        if one.future is None or one.future.done():
            continue
        if isinstance(answer, Exception):
            one.future.set_exception(answer)
        else:
            one.future.set_result(answer)
