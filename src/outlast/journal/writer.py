"""Group commit: one thread puts everything that waits into one transaction, so that many tasks share one fsync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from outlast.journal.contract import ANY_NUMBER, Change, Journal
from outlast.journal.desk import Desk
from outlast.journal.intake import Intake
from outlast.journal.scribe import Scribe
from outlast.journal.submissions import Answer, Submission, answer, changes_in
from outlast.system.deployment import Home
from outlast.system.forks import OfOneProcess
from outlast.system.process import this
from outlast.system.threads import Complaints

FORK_PATIENCE = 3.0  # seconds that a fork waits for a transaction to end
REMINDER = Submission(())  # kept while `stored` has to be called again


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
        self._desk = Desk(Intake("outlast-writer", self._deal_with, self._journal.close))
        self._scribe = Scribe(self._journal, self._enter, self._complaints)
        self._let_go: Callable[[], None] = _nothing

    def before_fork(self) -> None:
        """Close the journal until the fork is over: no connection to SQLite, nor a thread in it, may cross one."""
        self._let_go = self._desk.intake.hold(FORK_PATIENCE)

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
        return self._desk.backlog.waiting

    def belong_to(self, home: Home, max_waiting: Mapping[str, int] = ANY_NUMBER) -> None:
        """From now on tasks are of `home`, which says how many may wait in a queue."""
        self._scribe.home, self._scribe.max_waiting = home, max_waiting

    async def store(self, changes: Sequence[Change], deadline: float) -> Answer:
        """Wait until `changes` are durable. Raises StoreFailed or JournalUnusable, after `deadline` seconds at most."""
        self._desk.backlog.refuse_if_full(changes)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        submission = Submission(changes, future, loop)
        self._desk.put(submission)
        line = self._desk.patience.line_of(loop)
        line.join(loop, submission, deadline)
        self._desk.insist(submission)
        try:
            return await future
        except asyncio.CancelledError:
            self._desk.withdraw(submission)
            raise
        finally:
            line.leave()

    def store_now(self, changes: Sequence[Change], deadline: float) -> Answer:
        """The same for code without an event loop: blocks the calling thread."""
        self._desk.backlog.refuse_if_full(changes)
        stored: Answer = self._desk.wait_for(Submission(changes, Future()), deadline)
        return stored

    def ask_now(self, question: Callable[[Journal], int], deadline: float) -> int:
        """Have something read in the writer's thread, outside of a transaction: it takes no lock. Blocks like that."""
        number: int = self._desk.wait_for(Submission((), Future(), question=question), deadline)
        return number

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Write `changes` as soon as possible, and try again until they are written. Nobody waits.

        What is new is given up while too much waits already.
        """
        self._desk.put_soon(changes)

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, then close the journal; at most `patience` seconds. What is stored later opens it again."""
        self._desk.intake.close(patience)

    def _deal_with(self, batch: Sequence[Submission]) -> list[Submission]:
        """Write what waits; returns what has to be tried again. In the writer's thread."""
        for one in batch:
            self._read(one)
        has_failed = self._scribe.is_failing
        left = self._scribe.write([one for one in batch if not one.settled and one is not REMINDER])
        has_told = self._has_told(has_failed=has_failed)
        for one in batch:
            if one.is_unwanted:
                self._desk.take_back(one)
        self._desk.backlog.count(changes_in(left) - changes_in(batch))
        return left if has_told else [*left, REMINDER]

    def _read(self, asked: Submission) -> None:
        if asked.question is None or asked.withdrawn:
            return
        try:
            found: int | Exception = asked.question(self._journal)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            found = error
        answer([asked], found)

    def _has_told(self, *, has_failed: bool) -> bool:
        """Tell what has to be told of the last batch; `has_failed` is whether the one before it was put off."""
        try:
            if has_failed or self._scribe.is_failing:
                self._tell_put_off(self.waiting if self._scribe.is_failing else 0)
            if self._scribe.has_news:
                self._stored()
            self._scribe.has_news = False
        except Exception as error:  # noqa: BLE001 - the tasks are stored whatever it is
            self._complaints.say(error, "what it has stored is stored, and the runner is told of it again")
        return not self._scribe.has_news


def _nothing() -> None:
    return
