"""Looks into the project's source are taken in another thread, and who needs one awaits it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import outlast
from outlast.functions import functions as module
from outlast.functions.context.reads import Reads, reads_of
from outlast.functions.functions import Functions
from outlast.functions.reading import Reading
from outlast.source.module_state import handed_over, shares_state
from outlast.source.sources import Sources
from outlast.tasks.task import Lane
from tests.samples import held, named, state
from tests.support.servers import PATIENCE, eventually

SHARES, FREE = state.shares_item, state.free_plain


class Gate:
    """Looks wait until it is opened; `looked_at` has the functions, and in which thread it was."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.looked_at: list[tuple[object, threading.Thread]] = []

    def look(self, function: Callable[..., Any], sources: Sources) -> str:
        self.looked_at.append((function, threading.current_thread()))
        assert self.opened.wait(20 * PATIENCE), "an event loop waits for a look"
        return shares_state(function, sources)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(module, "shares_state", gate.look)
    yield gate
    gate.opened.set()


async def within(work: Awaitable[None]) -> None:
    await asyncio.wait_for(work, 20)


def test_the_loop_goes_on_while_somebody_looks(gate: Gate) -> None:
    known = Functions()

    async def main() -> None:
        waiting = asyncio.ensure_future(known.look_into([SHARES, FREE]))
        await asyncio.sleep(0)
        assert not known.knows(SHARES)
        gate.opened.set()  # nobody would, if the loop waited
        await within(waiting)
        assert "changes `jobs`" in known.describe_now(SHARES).inline_reason
        assert known.describe_now(FREE).inline_reason == ""

    asyncio.run(main())
    assert {thread for _, thread in gate.looked_at} & {threading.main_thread()} == set()
    assert [function for function, _ in gate.looked_at] == [SHARES, FREE]


@dataclass
class Unhashable:
    """What a decorator may make, held by this module."""

    def __call__(self) -> None: ...


unhashable = Unhashable()


@pytest.mark.parametrize(
    "bind", [lambda: held.mailer.send, lambda: held.Mailer, lambda: held.mailer, lambda: unhashable]
)
def test_what_is_no_function_is_looked_into_once_and_never_on_the_loop(gate: Gate, bind: Callable[[], Any]) -> None:
    """A method is bound anew each time, and an object may have no hash."""
    known = Functions()

    async def main() -> None:
        assert not known.knows(bind())
        assert known.describe_now(bind()).inline_reason == ""
        gate.opened.set()
        await within(known.look_into([bind()]))
        assert known.knows(bind())
        assert known.describe_now(bind()) is known.describe_now(bind())

    asyncio.run(main())
    assert [thread is threading.main_thread() for _, thread in gate.looked_at] == [False]


def test_the_look_at_an_object_is_taken_off_the_loop_too(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    known, threads = Functions(), []

    def keeps_state(*_: object) -> str:
        threads.append(threading.current_thread())
        return "it keeps what only this process has"

    monkeypatch.setattr(module, "keeps_state", keeps_state)
    gate.opened.set()

    async def main() -> None:
        assert known.describe_now(held.locked.send).inline_reason == ""
        await within(known.look_into([held.locked.send]))
        assert "only this process" in known.describe_now(held.locked.send).inline_reason

    asyncio.run(main())
    assert threads and threading.main_thread() not in threads


def test_a_function_that_is_passed_is_not_looked_into_on_the_loop(gate: Gate) -> None:
    known = Functions()

    async def main() -> None:
        codec = known.describe_now(held.safely, SHARES).codec
        assert "shares_item" in codec.encode((SHARES, "a"), {})
        gate.opened.set()
        await within(known.look_into([held.safely, SHARES]))
        with pytest.raises(outlast.NotStorable, match="changes `jobs`"):
            known.describe_now(held.safely, SHARES).codec.encode((SHARES, "a"), {})

    asyncio.run(main())
    assert {thread for _, thread in gate.looked_at} & {threading.main_thread()} == set()


def test_where_reading_is_allowed_what_is_passed_is_looked_into_as_well() -> None:
    async def main() -> None:
        described = Functions().describe(held.safely, SHARES)
        with pytest.raises(outlast.NotStorable, match="changes `jobs`"):
            described.codec.encode((SHARES, "a"), {})

    asyncio.run(main())


def test_what_has_to_be_known_at_once_on_a_loop_is_said_to_travel_until_it_is_known(gate: Gate) -> None:
    known = Functions()

    async def main() -> None:
        presumed = known.describe_now(SHARES)
        assert (presumed.path, presumed.lane, presumed.inline_reason) == (
            "tests.samples.state:shares_item",
            Lane.THREAD,
            "",
        )
        gate.opened.set()
        await within(known.look_into([SHARES]))
        assert "changes `jobs`" in known.describe_now(SHARES).inline_reason

    asyncio.run(main())


def test_that_a_task_was_stored_without_a_look_is_said_if_it_was_wrong(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    known = Functions()

    async def main() -> None:
        for function in (SHARES, FREE):
            known.presume(function)
        gate.opened.set()
        await within(known.look_into([SHARES, FREE]))

    asyncio.run(main())
    (said,) = [record.getMessage() for record in caplog.records]
    assert "before its source had been looked into, although tests.samples.state:shares_item changes `jobs`" in said


def test_without_an_event_loop_the_look_is_taken_at_once() -> None:
    assert "changes `jobs`" in Functions().describe_now(SHARES).inline_reason


@pytest.mark.parametrize("function", [named.nested(), named.unnamed_lambda, [].append])
def test_what_has_no_name_needs_no_look(gate: Gate, function: Any) -> None:
    async def main() -> None:
        known = Functions()
        assert known.knows(function)
        await known.look_into([function])
        with pytest.raises(outlast.NotStorable):
            known.describe_now(function)

    asyncio.run(main())
    assert function not in [one for one, _ in gate.looked_at], "other tests' threads may look at theirs"


def test_what_a_look_raises_is_raised_where_it_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(function: Callable[..., Any], sources: Sources) -> str:
        raise LookupError("as no project should")

    monkeypatch.setattr(module, "shares_state", fails)
    with pytest.raises(LookupError, match="as no project should"):
        asyncio.run(Functions().look_into([FREE]))


def test_a_function_is_known_when_it_is_known_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request in between would send its task away without a context variable that cannot travel."""
    reached, opened = threading.Event(), threading.Event()

    def slowly(function: Callable[..., Any], sources: Sources) -> Reads:
        reached.set()
        assert opened.wait(20)
        return reads_of(function, sources)

    monkeypatch.setattr(module, "reads_of", slowly)
    known = Functions()

    async def main() -> None:
        waiting = asyncio.ensure_future(known.look_into([FREE]))
        assert await asyncio.to_thread(reached.wait, 20)
        was_known = known.knows(FREE)
        opened.set()
        await within(waiting)
        assert (was_known, known.knows(FREE)) == (False, True)

    asyncio.run(main())


def test_a_question_that_is_given_up_stops_nobody(gate: Gate) -> None:
    async def main() -> None:
        known = Functions()
        given_up = [asyncio.ensure_future(known.look_into([one])) for one in (SHARES, FREE)]
        await asyncio.sleep(0)
        for one in given_up:
            one.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        gate.opened.set()
        await within(known.look_into([named.plain]))
        assert known.knows(named.plain)

    asyncio.run(main())


def test_what_ends_a_thread_ends_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(function: Callable[..., Any], sources: Sources) -> str:
        raise SystemExit(1)

    known = Functions()
    monkeypatch.setattr(module, "shares_state", leaves)
    with pytest.raises(SystemExit):
        known._reading.ask(FREE).result(20)
    monkeypatch.undo()
    known._reading.ask(FREE).result(20)
    assert known.knows(FREE)


def test_where_no_thread_can_be_started_who_asks_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    known = Functions()
    monkeypatch.setattr(threading.Thread, "start", refused)
    asyncio.run(known.look_into([SHARES]))
    assert known.knows(SHARES)


def test_a_project_that_cannot_be_read_ahead_is_looked_at_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    looked_at: list[object] = []

    def ahead() -> Iterator[None]:
        yield
        raise LookupError("as no project should")

    reading = Reading(looked_at.append, ahead)
    reading.begin()
    eventually(lambda: "as no project should" in caplog.text, "it is said, with its stack")
    reading.ask(FREE).result(20)
    assert looked_at == [FREE]


def test_each_function_handed_over_in_a_module_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "handing.py").write_text(
        "import textwrap as helpers\n"
        "class Mailer:\n    @staticmethod\n    def post(): ...\n    def send(self): ...\nmailer = Mailer()\n"
        "def one(): ...\ndef two(): ...\ndef three(): ...\n"
        "def endpoint(tasks):\n"
        "    tasks.add_task(one, 1)\n    tasks.add_task(\n        two)\n    enqueue(helpers.dedent, '')\n"
        "    BackgroundTask(nothing)\n    tasks.add_task(Mailer.post)\n    three()\n"
        "    tasks.add_task(mailer.send)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    handing: ModuleType = __import__("handing")
    assert [one.__name__ for one in handed_over(handing, Sources())] == ["one", "two", "dedent", "send"]
    *_, method = handed_over(handing, Sources())
    assert method == handing.mailer.send


FORKS = """
import os, sys
sys.path[:0] = {path!r}
from outlast.functions.functions import Functions
from tests.samples import state
known = Functions()
known.begin()
known._reading.ask(state.free_plain).result(20)
if pid := os.fork():
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
else:
    known.begin()
    known._reading.ask(state.shares_item).result(20)
    os._exit(7 if known.describe(state.shares_item).inline_reason else 1)
"""


def test_a_forked_process_looks_for_itself() -> None:
    program = FORKS.format(path=sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60 * PATIENCE, check=False
    )
    assert done.stdout.strip() == "7", done.stderr
