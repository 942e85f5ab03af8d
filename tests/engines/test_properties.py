"""Any interleaving of verbs keeps the table of moves, and neither loses nor doubles a task."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from outlast.engines.contract import Drop, ProcessEntry
from outlast.engines.history import History
from outlast.engines.sqlite import SqliteJournal
from outlast.tasks import MOVES, UNFINISHED, Claimed, End, Lane, NewTask, Settlement, State, TaskIds, shown

ENDS = {
    End.DONE: State.DONE,
    End.ERROR: State.FAILED,
    End.CRASHED: State.WAITING,
    End.INTERRUPTED: State.WAITING,
    End.CANCELLED: State.CANCELLED,
}

ANY_END = st.sampled_from(sorted(ENDS))
ANY_COMPANY = st.none() | st.integers(1, 3)


class JournalMachine(RuleBasedStateMachine):
    """A model beside the journal: the state each task must be in, and its newest attempt."""

    tasks: Bundle[int] = Bundle("tasks")
    claims: Bundle[Claimed] = Bundle("claims")

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.journal = SqliteJournal(f"sqlite:///{self.folder}/journal.db")
        self.ids = TaskIds()
        self.states: dict[int, State] = {}
        self.attempts: dict[int, int] = {}
        self.follows: dict[int, int] = {}
        self.company: dict[int, int] = {}
        self.marked: set[int] = set()
        with self.journal.transaction():
            self.owner = self.journal.enter(ProcessEntry("runner", 1, "here", 1.0))

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)

    def move(self, task: int, target: State) -> None:
        assert target in MOVES[self.states[task]], "the journal made a move that the table does not allow"
        self.states[task] = target

    @rule(target=tasks, held=st.booleans(), behind=st.none() | tasks)
    def add(self, held: bool, behind: int | None) -> int:
        state = State.HELD if held else State.WAITING
        task = NewTask(self.ids.next(), "app:f", "{}", Lane.LOOP, state, 1.0, "", behind)
        with self.journal.transaction():
            self.journal.add([task], self.owner)
        self.states[task.id], self.attempts[task.id] = state, 0
        if behind is not None:
            self.follows[task.id] = behind
        return task.id

    @rule(task=tasks)
    def release(self, task: int) -> None:
        with self.journal.transaction():
            moved = self.journal.release([task], 2.0)
        assert moved == (self.states[task] is State.HELD)
        if moved:
            self.move(task, State.WAITING)

    @rule(task=tasks)
    def drop(self, task: int) -> None:
        with self.journal.transaction():
            moved = self.journal.drop([Drop(task, "why")], 2.0)
        assert moved == ([task] if self.states[task] is State.HELD else [])
        if moved:
            self.move(task, State.DROPPED)

    @rule(task=tasks)
    def cancel(self, task: int) -> None:
        before = self.states[task]
        with self.journal.transaction():
            answer = self.journal.cancel([task], 2.0)
        assert answer == {task: before in (State.HELD, State.WAITING, State.RUNNING, State.CANCELLED)}
        if before in (State.HELD, State.WAITING):
            self.move(task, State.CANCELLED)
        if before is State.RUNNING:
            self.marked.add(task)

    @rule()
    def ask_what_to_stop(self) -> None:
        running = {task for task, state in self.states.items() if state is State.RUNNING}
        assert set(self.journal.cancels_of(self.owner)) == self.marked & running

    @rule(target=claims, limit=st.integers(1, 4))
    def claim(self, limit: int) -> MultipleResults[Claimed]:
        ready = [task for task in self.ready() if task not in self.company]
        with self.journal.transaction():
            claims = self.journal.claim(self.owner, Lane.LOOP, limit, 3.0)
        assert {one.id for one in claims} <= set(ready)
        assert len(claims) == min(limit, len(ready)), "a task that is ready was left lying"
        return self.taken(claims)

    def taken(self, claims: list[Claimed]) -> MultipleResults[Claimed]:
        for one in claims:
            self.move(one.id, State.RUNNING)
            self.attempts[one.id] += 1
            assert one.attempt == self.attempts[one.id]
        return multiple(*claims)

    def ready(self) -> list[int]:
        return [task for task, state in self.states.items() if state is State.WAITING and not self.is_behind(task)]

    @rule(target=claims)
    def claim_company(self) -> MultipleResults[Claimed]:
        ready = [task for task in self.ready() if task in self.company]
        with self.journal.transaction():
            claims = self.journal.claim_company(self.owner, 3.0)
        assert {one.id for one in claims} <= set(ready)
        if ready:
            (most,) = {self.company[one.id] for one in claims}
            assert len(claims) == min(most, sum(self.company[task] == most for task in ready))
        return self.taken(claims)

    def is_behind(self, task: int) -> bool:
        before = self.follows.get(task)
        return before is not None and self.states[before] in UNFINISHED

    @rule(claim=consumes(claims), end=ANY_END, company=ANY_COMPANY)
    def settle(self, claim: Claimed, end: End, company: int | None) -> None:
        self.settle_once(claim, end, company)

    @rule(claim=claims, end=ANY_END, company=ANY_COMPANY)
    def settle_and_again_later(self, claim: Claimed, end: End, company: int | None) -> None:
        self.settle_once(claim, end, company)

    def settle_once(self, claim: Claimed, end: End, company: int | None) -> None:
        settlement = Settlement(claim.id, claim.attempt, end, ENDS[end], company=company)
        with self.journal.transaction():
            moved = self.journal.settle([settlement], 4.0)
        is_newest = self.states[claim.id] is State.RUNNING and self.attempts[claim.id] == claim.attempt
        assert moved == ([claim.id] if is_newest else [])
        if moved:
            waits = ENDS[end] is State.WAITING
            self.move(claim.id, State.CANCELLED if waits and claim.id in self.marked else ENDS[end])
            if self.states[claim.id] is State.WAITING and company is not None:
                self.company[claim.id] = company

    @rule()
    def reopen(self) -> None:
        self.journal.close()

    @rule()
    def crash_in_the_middle(self) -> None:
        with contextlib.suppress(InterruptedError), self.journal.transaction():
            for task in self.states:
                self.journal.release([task], 2.0)
                self.journal.drop([Drop(task, "why")], 2.0)
            self.journal.claim(self.owner, Lane.LOOP, 99, 3.0)
            raise InterruptedError

    @invariant()
    def journal_and_model_agree(self) -> None:
        if not getattr(self, "states", None):
            return
        history = History(self.journal.path)
        found = {record.id: (record.state, record.attempt) for record in history.tasks(limit=10_000)}
        assert found == {shown(task): (state.label, self.attempts[task]) for task, state in self.states.items()}


JournalMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestJournal = JournalMachine.TestCase
