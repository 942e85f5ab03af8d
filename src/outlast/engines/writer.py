"""Group commit: one thread puts everything that waits into one transaction, so that many tasks share one fsync."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from outlast import hindrances
from outlast.deployments import NO_HOME, Home
from outlast.engines.contract import Add, Begin, Cancel, Change, Drop, Journal, Note, Release, Retry, Settle
from outlast.engines.intake import RETRY_AFTER, Intake
from outlast.engines.refused import in_place_of
from outlast.engines.submissions import Answer, Backlog, Submission, answer, changes_in
from outlast.errors import IdTaken, JournalUnusable, StoreFailed, TaskRefused
from outlast.forks import OfOneProcess
from outlast.logs.ends import fields, tell_end
from outlast.process import this
from outlast.tasks import NewTask, State
from outlast.text import in_one_line
from outlast.threads import Complaints

log = logging.getLogger("outlast")
FORK_PATIENCE = 3.0  # seconds that a fork waits for a transaction to end

Refusal = StoreFailed | JournalUnusable


class Writer(OfOneProcess):
    """Writes to the journal from one thread of its own, started at the first submission (so: after any fork).

    `enter(journal, known)` gives this process its id when the journal is first written (`known` is 0 then), and tells
    it to one that has come in its place; by then it has set `home`, which is whose the tasks are. `stored` is called in
    the writer's thread after each transaction that made a task ready to run, again if it fails, `put_off` with the
    number of changes that wait when one has failed, and with 0 when that is over. What nobody foresaw hurts those alone
    whose changes met it.
    """

    def __init__(
        self,
        journal: Journal,
        enter: Callable[[Journal, int], int],
        stored: Callable[[], None],
        put_off: Callable[[int], None] = lambda _waiting: None,
    ) -> None:
        self._journal = journal
        self._enter = enter
        self._stored = stored
        self._complaints = Complaints("the journal's writer")
        self._tell_put_off = put_off
        self._reset()
        this.forks.tell(self)

    def _reset(self) -> None:
        """Start anew: what waits is the other process's, if this one was forked, and so is the number."""
        self._intake: Intake[Submission] = Intake("outlast-writer", self._deal_with, self._journal.close)
        self._backlog = Backlog()
        self._let_go: Callable[[], None] = _nothing
        self._owner = 0
        self._file: Hashable = None
        self._held: dict[int, NewTask] = {}
        self.home = NO_HOME
        self._failing = False
        self._has_news = False

    def before_fork(self) -> None:
        """Close the journal until the fork is over: no connection to SQLite, nor a thread in it, may cross one."""
        self._let_go = self._intake.hold(FORK_PATIENCE)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        let_go, self._let_go = self._let_go, _nothing
        let_go()

    def after_fork_in_child(self) -> None:
        """Use nothing of the parent's, also if it could not be closed in time."""
        self._journal.forget()
        self._reset()

    @property
    def waiting(self) -> int:
        """How many changes are here and not in the journal."""
        return self._backlog.waiting

    async def store(self, changes: Sequence[Change], deadline: float) -> Answer:
        """Wait until `changes` are durable. Raises StoreFailed or JournalUnusable, after `deadline` seconds at most."""
        self._backlog.refuse_if_full(changes)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        submission = Submission(changes, future, loop)
        self._put(submission)
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
        self._backlog.refuse_if_full(changes)
        stored: Answer = self._wait_for(Submission(changes, Future()), deadline)
        return stored

    def ask_now(self, question: Callable[[Journal], int], deadline: float) -> int:
        """Have something read in the writer's thread, outside of a transaction: it takes no lock. Blocks like that."""
        number: int = self._wait_for(Submission((), Future(), question=question), deadline)
        return number

    def _wait_for(self, submission: Submission, deadline: float) -> Any:
        assert isinstance(submission.future, Future)  # noqa: S101 - it blocks
        until = time.monotonic() + deadline
        self._put(submission)
        while self._intake.refusal and time.monotonic() < until and not self._intake.open():
            time.sleep(RETRY_AFTER / 5)
        try:
            return submission.future.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self._withdraw(submission)
            raise self._late(deadline) from None

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Write `changes` as soon as possible, and try again until they are written. Nobody waits.

        What is new is given up while too much waits already.
        """
        if taken := self._backlog.with_room_for(changes):
            self._put(Submission(taken))

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, then close the journal; at most `patience` seconds. What is stored later opens it again."""
        self._intake.close(patience)

    def _late(self, deadline: float) -> StoreFailed:
        if self._intake.refusal:
            return StoreFailed(hindrances.no_thread("writes to the journal", self._intake.refusal))
        return StoreFailed(f"the journal did not take the task within {deadline:g} s")

    def _put(self, submission: Submission) -> None:
        self._backlog.count(len(submission.changes))
        self._intake.put(submission)

    def _withdraw(self, submission: Submission) -> None:
        """Nobody wants it any more: not to be written, or, if it has been by now, to be dropped again."""
        submission.withdrawn = True
        if submission.written:
            self._take_back(submission)

    def _take_back(self, submission: Submission) -> None:
        reason = "its request was answered 503 or given up before the task was stored"
        tasks = [one.task for one in submission.changes if isinstance(one, Add)]
        for one in tasks:
            tell_end(State.DROPPED, reason, fields(one.id, one.function, 0, one.lane))
        self.store_soon([Drop(one.id, reason) for one in tasks])

    def _deal_with(self, batch: Sequence[Submission]) -> list[Submission]:
        """Write what waits; returns what has to be tried again. In the writer's thread."""
        for one in batch:
            self._read(one)
        left = self._write_guarded([one for one in batch if not one.settled])
        self._backlog.count(changes_in(left) - changes_in(batch))
        self._tell_news()
        return left

    def _read(self, asked: Submission) -> None:
        if asked.question is None or asked.withdrawn:
            return
        try:
            found: int | Exception = asked.question(self._journal)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            found = error
        answer([asked], found)

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
            answer(unsettled, StoreFailed(f"the task could not be stored: {in_one_line(error)}"))
            for one in unsettled:
                self._give_up(one)
            return [one for one in unsettled if not one.settled]

    def _give_up(self, one: Submission) -> None:
        """Whether it was stored is not known, and whoever waited has been told that it was not."""
        if one.future is not None:
            one.withdrawn = True
            self._take_back(one)

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
            stored = self._transact(wanted)
        except TaskRefused as error:
            return self._write_apart(wanted, error)
        except (StoreFailed, JournalUnusable) as error:
            return self._put_off(wanted, error)
        if self._failing:
            self._failing = False
            self._tell_put_off(0)
        for one in wanted:
            one.written = True
            if one.withdrawn:
                self._take_back(one)
        answer(wanted, stored)
        return []

    def _write_apart(self, batch: Sequence[Submission], error: TaskRefused) -> list[Submission]:
        """There is something in a batch that no journal takes: write in halves, so that it alone is refused."""
        if len(batch) > 1:
            half = len(batch) // 2
            return self._write(batch[:half]) + self._write(batch[half:])
        (one,) = batch
        if one.future is not None:
            answer(batch, error)
            return []
        if isinstance(error, IdTaken):
            log.error("%s", hindrances.set_aside("new task", error))
            return self._write([Submission([left for left in one.changes if _task_of(left) not in error.ids])])
        if len(one.changes) > 1:
            return self._write([Submission([change]) for change in one.changes])
        return self._set_aside(one.changes[0], error)

    def _set_aside(self, change: Change, error: TaskRefused) -> list[Submission]:
        """Nobody waits for what was refused: say so, here and in the journal."""
        log.error("%s", hindrances.set_aside(type(change).__name__, error))
        instead = [one for one in in_place_of(change, str(error)) if one != change]
        try:
            self._transact([Submission([one]) for one in instead])
        except TaskRefused:  # there is nothing of it that can be stored
            return []
        except (StoreFailed, JournalUnusable):
            return [Submission([change])]
        return []

    def _put_off(self, batch: Sequence[Submission], error: Refusal) -> list[Submission]:
        """The journal takes nothing now: those who wait are told, the rest is tried again."""
        if not self._failing:
            log.error("%s", error)
        self._failing = True
        self._tell_put_off(self.waiting)
        answer(batch, error)
        return [one for one in batch if one.future is None]

    def _transact(self, batch: Sequence[Submission]) -> Answer:
        changes = [change for one in batch for change in one.changes]
        with self._journal.transaction():
            owner = self._known_owner()
            stored = _apply(self._journal, changes, owner, self.home)
        self._owner, self._file = owner, self._journal.file
        self._remember(changes)
        self._has_news = self._has_news or any(map(_makes_ready, changes))
        return stored

    def _known_owner(self) -> int:
        """This process's id, in a journal that has it. One that is new here may not know what the last one held."""
        if self._journal.file == self._file:
            return self._owner
        owner = self._owner = self._enter(self._journal, self._owner)  # it stays this one's, stored or not
        if lost := self._journal.unknown(self._held):
            self._journal.add([self._held[task] for task in lost], owner, self.home)
        return owner

    def _remember(self, changes: Iterable[Change]) -> None:
        """Keep what is held as long as its response lasts."""
        for change in changes:
            if isinstance(change, Add):
                if change.task.state is State.HELD:
                    self._held[change.task.id] = change.task
            elif isinstance(change, Release | Drop | Begin):
                self._held.pop(change.id, None)


def _apply(journal: Journal, changes: Sequence[Change], owner: int, home: Home) -> Answer:
    """All changes of a batch, one statement per kind: adds first, since what follows is about them."""
    now = time.time()
    if adds := [one.task for one in changes if isinstance(one, Add)]:
        journal.add(adds, owner, home)
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
    retries = [one.id for one in changes if isinstance(one, Retry)]
    cancelled = journal.cancel(cancels, now) if cancels else {}
    return cancelled | (journal.retry(retries, now) if retries else {})


def _task_of(change: Change) -> int:
    """The id of the task that a change is about, 0 for an incident."""
    match change:
        case Add(task):
            return task.id
        case Settle(settlement):
            return settlement.id
        case Note():
            return 0
        case _:
            return change.id


def _nothing() -> None:
    return


def _makes_ready(change: Change) -> bool:
    return isinstance(change, Release | Settle | Retry) or (
        isinstance(change, Add) and change.task.state is State.WAITING
    )
