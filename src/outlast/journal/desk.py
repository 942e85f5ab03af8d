"""Where changes are handed in: who waits for an answer, for how long, and what nobody wants any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from outlast.errors import StoreFailed
from outlast.events import endings, hindrances
from outlast.journal.contract import Cancel, Change, Drop
from outlast.journal.intake import RETRY_AFTER, Intake
from outlast.journal.patience import Patience
from outlast.journal.submissions import Backlog, Submission
from outlast.tasks.task import NewTask, State

TAKEN_BACK = "its request was answered 503 or given up before the task was stored"


class Desk:
    """Hands submissions to `intake`, whose thread writes them."""

    def __init__(self, intake: Intake[Submission]) -> None:
        self.intake = intake
        self.backlog = Backlog()
        self.patience = Patience(self._expire)

    def put(self, submission: Submission) -> None:
        """To be written."""
        self.backlog.count(len(submission.changes))
        self.intake.put(submission)

    def put_soon(self, changes: Sequence[Change]) -> None:
        """To be written, and nobody waits. What is new is given up while too much waits already."""
        if taken := self.backlog.with_room_for(changes):
            self.put(Submission(taken))

    def wait_for(self, submission: Submission, deadline: float) -> Any:
        """Hand it in and block until it is answered. Raises what it is answered, StoreFailed after `deadline` s."""
        assert isinstance(submission.future, Future)  # noqa: S101 - it blocks
        until = time.monotonic() + deadline
        self.put(submission)
        while self.intake.refusal and time.monotonic() < until and not self.intake.open():
            time.sleep(RETRY_AFTER / 5)
        try:
            return submission.future.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self.withdraw(submission)
            raise self._late(deadline) from None

    def _expire(self, submission: Submission, deadline: float) -> None:
        """The time of whoever waits for it on an event loop is over."""
        if submission.future is not None and not submission.future.done():
            self.withdraw(submission)
            submission.future.set_exception(self._late(deadline))

    def insist(self, submission: Submission) -> None:
        """If there is no thread yet, try again to start one, as long as somebody waits for it."""
        is_waited_for = submission.future is not None and not submission.future.done()
        if self.intake.refusal and is_waited_for and not self.intake.open():
            assert submission.loop is not None  # noqa: S101 - its future is the loop's
            submission.loop.call_later(RETRY_AFTER / 5, self.insist, submission)

    def withdraw(self, submission: Submission) -> None:
        """Nobody wants it any more: not to be written, or, if it has been by now, to be dropped again."""
        submission.withdrawn = True
        if submission.written:
            self.take_back(submission)

    def take_back(self, submission: Submission) -> None:
        """Its tasks are in the journal, or may be, and must not run: those that are not held back may do so already."""
        tasks = [one for one in submission.changes if isinstance(one, NewTask)]
        held = [one for one in tasks if one.state is State.HELD]
        for one in (task for task in held if task.options.key is None):  # others may be somebody else's, too
            it = endings.about(one.id, one.function, 0, one.lane, one.options.limits.queue)
            endings.tell_end(State.DROPPED.label, TAKEN_BACK, it)
        free = [Cancel(one.id) for one in tasks if one.state is State.WAITING and one.options.key is None]
        self.put_soon([*(Drop(one.id, TAKEN_BACK) for one in held), *free])

    def _late(self, deadline: float) -> StoreFailed:
        if self.intake.refusal:
            return StoreFailed(hindrances.no_thread("writes to the journal", self.intake.refusal))
        return StoreFailed(f"the journal did not take the task within {deadline:g} s")
