"""Any interleaving of verbs: what runs after others begins once all are done, with what they returned, or it ends."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from outlast.ids import number_of, shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.tasks.ids import TaskIds
from outlast.tasks.sequel import Gets
from outlast.tasks.task import FINISHED, Claimed, End, Lane, NewTask, Sequel, Settlement, State
from tests.support.history import history_of
from tests.support.turns import claim, settle

ENDS = {
    "done": (End.DONE, State.DONE),
    "failed": (End.ERROR, State.FAILED),
    "lost": (End.DONE, State.DONE),  # its result was not kept
    "again": (End.INTERRUPTED, State.WAITING),
}


class SequelMachine(RuleBasedStateMachine):
    """Tasks return their id and attempt, so that it can be seen whose result is whose."""

    tasks: Bundle[int] = Bundle("tasks")

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.journal = SqliteJournal(f"sqlite:///{self.folder}/journal.db")
        self.ids = TaskIds()
        self.before: dict[int, Sequel] = {}
        self.returned: dict[int, list[str]] = {}
        self.running: list[Claimed] = []
        with self.journal.transaction():
            self.owner = self.journal.processes.enter(ProcessEntry("runner", 1, "here", 1.0))

    def teardown(self) -> None:
        """Let all that is left run to its end: nothing is left waiting."""
        for _ in range(30):
            self.claim(100)
            settle(self.journal, *(self.end(one, "done") for one in self.running))
            self.running = []
        states = {one.state for one in history_of(self.journal.path).tasks(limit=10_000)}
        assert states <= {state.label for state in FINISHED}, states
        self.journal.close()
        shutil.rmtree(self.folder)

    def new(self) -> NewTask:
        return NewTask(self.ids.next(), "app:f", "{}", Lane.LOOP, State.WAITING, 1.0, "")

    def end(self, one: Claimed, how: str) -> Settlement:
        end, state = ENDS[how]
        text = json.dumps({"result": f"{one.id} {one.attempt}"}) if how == "done" else None
        if how == "done":
            self.returned.setdefault(one.id, []).append(f"{one.id} {one.attempt}")
        return Settlement(one.id, one.attempt, end, state, "" if how == "done" else "why", result=text)

    def store(self, *tasks: NewTask) -> None:
        with self.journal.transaction():
            self.journal.tasks.add(tasks, self.owner)

    @rule(target=tasks, links=st.lists(st.sampled_from([Gets.RESULT, Gets.NOTHING, Gets.FAILURE]), max_size=3))
    def add_chain(self, links: list[Gets]) -> int:
        line = [self.new(), *(self.new() for _ in links)]
        whole = line[-1]
        for head, gets in zip(line[-2::-1], reversed(links), strict=True):
            names = {Gets.RESULT: ("it",), Gets.FAILURE: ("task", "why")}.get(gets, ())
            sequel = Sequel(whole, (head.id,), gets, names)
            self.before[whole.id] = sequel
            whole = head._replace(sequels=(sequel,))
        self.store(whole)
        return line[-1].id

    @rule(target=tasks, members=st.integers(1, 3))
    def add_group(self, members: int) -> int:
        line = [self.new() for _ in range(members)]
        sequel = Sequel(self.new(), tuple(one.id for one in line), Gets.RESULTS, ("it",))
        self.before[sequel.task.id] = sequel
        self.store(line[0]._replace(sequels=(sequel,)), *line[1:])
        return sequel.task.id

    @rule(limit=st.integers(1, 5))
    def claim(self, limit: int) -> None:
        for one in claim(self.journal, self.owner, limit=limit, behind=5):
            self.running.append(one)
            if one.id in self.before:
                self.check(one, self.before[one.id], json.loads(one.arguments))

    def check(self, one: Claimed, sequel: Sequel, given: dict[str, Any]) -> None:
        match sequel.gets:
            case Gets.RESULT:
                assert given["it"] in self.returned[sequel.before[0]], "it began with what nobody has returned"
            case Gets.RESULTS:
                for it, before in zip(given["it"], sequel.before, strict=True):
                    assert it in self.returned[before], "it began before all were done, or with others' results"
            case Gets.FAILURE:
                assert given == {"task": shown(sequel.before[0]), "why": given["why"]}
        assert one.attempt >= 1

    @rule(which=st.integers(0, 9), how=st.sampled_from(sorted(ENDS)))
    def settle(self, which: int, how: str) -> None:
        if self.running:
            one = self.running.pop(which % len(self.running))
            assert settle(self.journal, self.end(one, how)) == [one.id]

    def pick(self, which: int) -> int | None:
        all_of_them = sorted(history_of(self.journal.path).tasks(limit=10_000), key=lambda one: one.id)
        return number_of(all_of_them[which % len(all_of_them)].id) if all_of_them else None

    @rule(which=st.integers(0, 99), verb=st.sampled_from(["cancel", "retry", "retry", "delete"]))
    def by_hand(self, which: int, verb: str) -> None:
        if (task := self.pick(which)) is not None and not any(one.id == task for one in self.running):
            with self.journal.transaction():
                getattr(self.journal.tasks, verb)([task])

    @invariant()
    def nothing_waits_in_vain(self) -> None:
        if not hasattr(self, "journal"):
            return
        query = """SELECT count(*) FROM sequel JOIN task ON id = sequel.task
            WHERE state = 1 AND (task.run_at IS NULL) != (decided = 0 AND EXISTS (
                SELECT 1 FROM link JOIN task AS its ON its.id = before
                WHERE link.task = sequel.task AND link.state IS NULL AND its.state IN (0, 1, 2, 7)))"""
        with self.journal.transaction():
            rows: list[Any] = self.journal.connection.opened.execute(query).fetchall()
        assert rows == [(0,)], "one waits for nobody that could still end, or does not wait though it should"


TestSequels = SequelMachine.TestCase
TestSequels.settings = settings(max_examples=25, stateful_step_count=25)
