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

from outlast.ids import shown
from outlast.journal.contract import Drop, ProcessEntry
from outlast.journal.sqlite.claims import take
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.turn import Gone, Turn, Wanted
from outlast.system.deployment import NO_HOME
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import MOVES, UNFINISHED, Claimed, End, Lane, NewTask, Settlement, State
from tests.support.history import history_of
from tests.support.turns import began, claim, claim_apart, settle

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
        self.group_size: dict[int, int] = {}
        self.marked: set[int] = set()
        self.reserved: set[int] = set()
        self.unbegun: set[tuple[int, int]] = set()
        self.claimed: list[Claimed] = []
        with self.journal.transaction():
            self.owner = self.journal.processes.enter(ProcessEntry("runner", 1, "here", 1.0))

    def teardown(self) -> None:
        history = history_of(self.journal.path)
        for task, attempts in self.attempts.items():
            started = [event.attempt for event in history.task(shown(task)).events if event.kind == "started"]
            unbegun = {attempt for one, attempt in self.unbegun if one == task}
            expected = [number for number in range(1, attempts + 1) if number not in unbegun]
            assert started == expected, "an attempt was lost or doubled, or one that never began is told of"
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
            self.journal.tasks.add([task], self.owner)
        self.states[task.id], self.attempts[task.id] = state, 0
        if behind is not None and self.states[behind] in UNFINISHED:
            self.follows[task.id] = behind
        return task.id

    @rule(task=tasks)
    def release(self, task: int) -> None:
        with self.journal.transaction():
            moved = self.journal.tasks.release([task])
        assert moved == (self.states[task] is State.HELD)
        if moved:
            self.move(task, State.WAITING)

    @rule(task=tasks)
    def drop(self, task: int) -> None:
        with self.journal.transaction():
            moved = self.journal.tasks.drop([Drop(task, "why")])
        assert moved == ([task] if self.states[task] is State.HELD else [])
        if moved:
            self.move(task, State.DROPPED)

    @rule(task=tasks)
    def cancel(self, task: int) -> None:
        before = self.states[task]
        with self.journal.transaction():
            answer = self.journal.tasks.cancel([task])
        assert answer == {task: before in (State.HELD, State.WAITING, State.RUNNING, State.CANCELLED)}
        if before in (State.HELD, State.WAITING):
            self.move(task, State.CANCELLED)
        if before is State.RUNNING:
            self.marked.add(task)

    @rule()
    def ask_what_to_stop(self) -> None:
        running = {task for task, state in self.states.items() if state is State.RUNNING}
        assert set(self.journal.attempts.cancels_of(self.owner)) == self.marked & running

    @rule(target=claims, limit=st.integers(1, 4), behind=st.integers(0, 4))
    def claim_some(self, limit: int, behind: int) -> MultipleResults[Claimed]:
        ready = [task for task in self.ready() if task not in self.group_size]
        claims = claim(self.journal, self.owner, limit=limit, behind=behind)
        heads = [one for one in claims if one.begun]
        assert {one.id for one in heads} <= set(ready)
        assert len(heads) == min(limit, len(ready)), "a task that is ready was left lying"
        assert len(claims) - len(heads) <= behind
        self.reserve([one for one in claims if not one.begun], claims)
        return self.taken(claims)

    def reserve(self, behind: list[Claimed], claims: list[Claimed]) -> None:
        for one in behind:
            assert one.follows in {other.id for other in claims}, "it was taken along without the one before it"
            assert one.follows == self.before(one.id)
            self.reserved.add(one.id)
            self.unbegun.add((one.id, one.attempt))

    @rule(one=claims)
    def begin_what_is_next(self, one: Claimed) -> None:
        """Also said again, and of what was settled long ago."""
        begins = self.is_newest(one) and one.id in self.reserved
        began(self.journal, one.id, one.attempt, 3.5)
        if begins:
            self.reserved.discard(one.id)
            self.unbegun.discard((one.id, one.attempt))

    def taken(self, claims: list[Claimed]) -> MultipleResults[Claimed]:
        for one in claims:
            self.move(one.id, State.RUNNING)
            self.attempts[one.id] += 1
            assert one.attempt == self.attempts[one.id]
        self.claimed += claims
        return multiple(*claims)

    def ready(self) -> list[int]:
        return [task for task, state in self.states.items() if state is State.WAITING and not self.is_behind(task)]

    @rule(target=claims)
    def claim_a_group(self) -> MultipleResults[Claimed]:
        ready = [task for task in self.ready() if task in self.group_size]
        claims = claim_apart(self.journal, self.owner)
        assert {one.id for one in claims} <= set(ready)
        if ready:
            (most,) = {self.group_size[one.id] for one in claims}
            assert len(claims) == min(most, sum(self.group_size[task] == most for task in ready))
        return self.taken(claims)

    def is_behind(self, task: int) -> bool:
        return self.before(task) is not None

    def before(self, task: int) -> int | None:
        """The nearest one before it that has not ended."""
        before = self.follows.get(task)
        while before is not None and self.states[before] not in UNFINISHED:
            before = self.follows.get(before)
        return before

    @rule(claim=consumes(claims), end=ANY_END, group_size=ANY_COMPANY)
    def settle(self, claim: Claimed, end: End, group_size: int | None) -> None:
        self.settle_once(claim, end, group_size)

    @rule(claim=claims, end=ANY_END, group_size=ANY_COMPANY)
    def settle_and_again_later(self, claim: Claimed, end: End, group_size: int | None) -> None:
        self.settle_once(claim, end, group_size)

    def settle_once(self, claim: Claimed, end: End, group_size: int | None) -> None:
        settlement = Settlement(claim.id, claim.attempt, end, ENDS[end], group_size=group_size)
        moved = settle(self.journal, settlement)
        assert moved == ([claim.id] if self.is_newest(claim) else [])
        if moved:
            self.ended(claim, end)
            if self.states[claim.id] is State.WAITING and group_size is not None:
                self.group_size[claim.id] = group_size

    def is_newest(self, claim: Claimed) -> bool:
        return self.states[claim.id] is State.RUNNING and self.attempts[claim.id] == claim.attempt

    def ended(self, claim: Claimed, end: End) -> None:
        waits = ENDS[end] is State.WAITING
        self.reserved.discard(claim.id)
        self.move(claim.id, State.CANCELLED if waits and claim.id in self.marked else ENDS[end])

    @rule(claim=claims, ends=st.lists(ANY_END, min_size=2, max_size=3))
    def settle_several_times_at_once(self, claim: Claimed, ends: list[End]) -> None:
        moved = settle(self.journal, *(Settlement(claim.id, claim.attempt, end, ENDS[end]) for end in ends))
        assert moved == ([claim.id] if self.is_newest(claim) else [])
        if moved:
            self.ended(claim, ends[-1])

    @rule(end=ANY_END)
    def settle_late_all_that_is_over(self, end: End) -> None:
        late = [one for one in self.claimed if not self.is_newest(one)]
        assert settle(self.journal, *(Settlement(one.id, one.attempt, end, ENDS[end]) for one in late)) == []

    @rule(target=claims, task=tasks)
    def begin_in_the_web_worker(self, task: int) -> MultipleResults[Claimed]:
        with self.journal.transaction():
            moved = self.journal.attempts.begin([task], self.owner)
        running = [one for one in self.journal.attempts.running_of(self.owner) if one.id in moved]
        assert moved == ([task] if self.states[task] is State.HELD else [])
        return self.taken(running)

    @rule()
    def runner_dies(self) -> None:
        """Another one hands back what it had; what ran is found whole and each attempt once."""
        with self.journal.transaction():
            successor = self.journal.processes.enter(ProcessEntry("runner", 2, "here", 1.0))
        found = {one.id: one for one in self.journal.attempts.running_of(self.owner)}
        running = {task for task, state in self.states.items() if state is State.RUNNING}
        assert {task: one.attempt for task, one in found.items()} == {one: self.attempts[one] for one in running}
        assert {task for task, one in found.items() if not one.begun} == self.reserved
        cut = [Settlement(one.id, one.attempt, End.INTERRUPTED, State.WAITING) for one in found.values()]
        turn = Turn(successor, ended=cut, gone=[Gone(self.owner, "died")])
        assert set(self.journal.turn(turn).settled) == running
        for one in found.values():
            self.ended(one, End.INTERRUPTED)
        self.owner = successor

    @rule()
    def reopen(self) -> None:
        self.journal.close()

    @rule()
    def be_cut_in_the_middle(self) -> None:
        with contextlib.suppress(InterruptedError), self.journal.transaction():
            self.do_much()
            raise InterruptedError

    @rule()
    def crash_in_the_middle(self) -> None:
        """What is on the disk in the middle of a transaction is all that the next process gets."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with contextlib.suppress(InterruptedError), self.journal.transaction():
            self.do_much()
            for name in ("journal.db", "journal.db-wal"):
                shutil.copy(self.journal.path.with_name(name), folder / name)
            raise InterruptedError
        self.journal.close()
        self.journal = SqliteJournal(f"sqlite:///{folder}/journal.db")

    def do_much(self) -> None:
        for task in self.states:
            self.journal.tasks.release([task])
            self.journal.tasks.drop([Drop(task, "why")])
            self.journal.tasks.cancel([task])
        take(self.journal.connection, self.owner, Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: 99}, 99))

    @rule(sides=st.sets(st.sampled_from(["", "-wal", "-shm"])))
    def lose_files_that_are_open(self, sides: set[str]) -> None:
        with self.journal.transaction():
            pass
        for side in sides:
            Path(f"{self.journal.path}{side}").unlink()
        with self.journal.transaction():
            assert self.journal.tasks.unknown(self.states) == set()

    @invariant()
    def journal_and_model_agree(self) -> None:
        if not getattr(self, "states", None):
            return
        history = history_of(self.journal.path)
        found = {record.id: (record.state, record.attempt) for record in history.tasks(limit=10_000)}
        assert found == {shown(task): self.seen(task, state) for task, state in self.states.items()}

    def seen(self, task: int, state: State) -> tuple[str, int]:
        """What people see: what is only reserved waits."""
        return ("waiting", self.attempts[task] - 1) if task in self.reserved else (state.label, self.attempts[task])


JournalMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestJournal = JournalMachine.TestCase
