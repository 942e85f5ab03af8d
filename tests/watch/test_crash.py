"""What faulthandler writes, made by real processes, and what is read from it."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.system.kernel import state_of
from outlast.watch.crash import Crash
from outlast.watch.layout import POKE
from tests.support.lines import line_of
from tests.support.processes import kill
from tests.support.servers import PATIENCE, eventually

PROGRAM = """
import asyncio, ctypes, os, random, re, signal, sys, threading, time

from outlast.watch.kept_box import CrashStacks

stacks = CrashStacks()
stacks.begin(open("dump", "wb", buffering=0))


def segfault():
    ctypes.string_at(0)


def abort():
    os.abort()


def backtrack():
    re.match(r"(a+)+$", "a" * 60 + "b")


def nap():
    time.sleep(60)


def go_down_and_up():
    while True:
        go_down(random.randrange(20))


def go_down(deep):
    return go_down(deep - 1) if deep else sum(range(50))


def in_a_thread(function):
    threading.Thread(target=after_a_while, args=(function,), daemon=True).start()


def after_a_while(function):
    time.sleep(0.3)
    here()
    function()


async def on_the_loop(function):
    here()
    function()


async def beside(function, *threads):
    for one in threads:
        threading.Thread(target=one, daemon=True).start()
    stacks.write(of_all=False)
    here()
    function()


async def idle(*threads):
    for one in threads:
        in_a_thread(one)
    asyncio.get_running_loop().call_later(60 if threads else 0.01, here)
    await asyncio.sleep(60)


def here():
    open("here", "w").close()


def main():
"""


def run(folder: Path, lines: str) -> subprocess.Popen[bytes]:
    """A process that has come to `here()` in these lines of its `main`."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    (folder / "program.py").write_text(f"{PROGRAM}{body}\n\nmain()\n")
    process = subprocess.Popen([sys.executable, "program.py"], cwd=folder, stderr=subprocess.DEVNULL)
    eventually(lambda: (folder / "here").exists() or process.poll() is not None, "it is there")
    return process


def written_by(folder: Path, lines: str) -> tuple[int, str]:
    """What a process that breaks by itself has left; its status, its dump."""
    process = run(folder, lines)
    return process.wait(20 * PATIENCE), (folder / "dump").read_text()


def asked(folder: Path, lines: str, times: int = 1, number: int = POKE) -> str:
    """What a process answers that is asked so often who holds its lock."""
    process = run(folder, lines)
    try:
        for time in range(1, times + 1):
            wait_until_it_stays(process.pid)
            os.kill(process.pid, number)
            wait_for_dump(folder, time)
        return (folder / "dump").read_text()
    finally:
        kill(process.pid)
        process.wait(10 * PATIENCE)


def wait_until_it_stays(pid: int) -> None:
    """Until each of its threads waits, or the process has computed for a while: then it is where it will stay."""
    began = cpu_seconds(pid)
    eventually(lambda: cpu_seconds(pid) - began > 0.2 or all_wait(pid), "it stays where it is")


def cpu_seconds(pid: int) -> float:
    return max(int((one / "schedstat").read_text().split()[0]) for one in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def rests(pid: int) -> bool:
    """Whether its first thread sleeps: one that waits for the interpreter's lock wakes up every few milliseconds."""
    before = switches(pid)
    time.sleep(0.05)
    return switches(pid) == before and state_of(pid) == "S"


def switches(pid: int) -> str:
    return next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("voluntary"))


def all_wait(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all((one / "stat").read_text().rpartition(")")[2].split()[0] == "S" for one in tasks)


def wait_for_dump(folder: Path, number: int) -> None:
    """Every dump ends with the outermost frame of the main thread."""
    eventually(lambda: (folder / "dump").read_text().count("in <module>\n") == number, "it answers")


def where(folder: Path, function: str, word: str) -> str:
    return f"{function} ({folder.name}/program.py:{line_of((folder / 'program.py').read_text(), word)})"


def test_a_segmentation_fault_is_named_by_the_frame_that_called_it(tmp_path: Path) -> None:
    status, text = written_by(tmp_path, "asyncio.run(on_the_loop(segfault))")
    assert (status, Crash.read(text).error) == (-signal.SIGSEGV, "Segmentation fault")
    assert str(Crash.read(text).site) == where(tmp_path, "segfault", "string_at")
    assert not Crash.read(text).is_waiting


def test_a_segmentation_fault_in_a_thread_beside_an_idle_loop(tmp_path: Path) -> None:
    status, text = written_by(tmp_path, "asyncio.run(idle(segfault, nap))")
    assert (status, Crash.read(text).error) == (-signal.SIGSEGV, "Segmentation fault")
    assert str(Crash.read(text).site) == where(tmp_path, "segfault", "string_at")


def test_an_abort(tmp_path: Path) -> None:
    status, text = written_by(tmp_path, "asyncio.run(on_the_loop(abort))")
    assert (status, Crash.read(text).error) == (-signal.SIGABRT, "Aborted")
    assert str(Crash.read(text).site) == where(tmp_path, "abort", "os.abort")
    assert not Crash.read(text).is_waiting


def test_a_regex_on_the_loop(tmp_path: Path) -> None:
    text = asked(tmp_path, "asyncio.run(on_the_loop(backtrack))")
    assert str(Crash.read(text).site) == where(tmp_path, "backtrack", "re.match")
    assert Crash.read(text).error == ""
    assert not Crash.read(text).is_waiting


def test_a_regex_in_another_thread_than_the_idle_loop(tmp_path: Path) -> None:
    text = asked(tmp_path, "asyncio.run(idle(backtrack))")
    assert str(Crash.read(text).site) == where(tmp_path, "backtrack", "re.match")


def test_two_other_threads_in_user_code_are_not_guessed_between(tmp_path: Path) -> None:
    text = asked(tmp_path, "asyncio.run(idle(backtrack, nap))")
    assert Crash.read(text).site is None


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [POKE, signal.SIGABRT])
def test_an_idle_loop_names_nobody(tmp_path: Path, loop: str, number: int) -> None:
    text = asked(tmp_path, f"import {loop}; {loop}.run(idle())", number=number)
    assert Crash.read(text).site is None
    assert Crash.read(text).is_waiting


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_loop_that_was_hit_in_a_call_did_not_wait(tmp_path: Path, loop: str) -> None:
    text = asked(tmp_path, f"import {loop}; {loop}.run(on_the_loop(nap))", number=signal.SIGABRT)
    assert str(Crash.read(text).site) == where(tmp_path, "nap", "time.sleep")
    assert not Crash.read(text).is_waiting


def test_threads_that_run_meanwhile_do_not_keep_a_stack_from_being_written(tmp_path: Path) -> None:
    """Whose frames change while they are walked: one process of three died of that, with the wrong signal."""
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        status, text = aborted_when_it_rests(folder, "asyncio.run(beside(nap, *[go_down_and_up] * 3))")
        assert status == -signal.SIGABRT
        assert str(Crash.read(text).site) == where(folder, "nap", "time.sleep")


def aborted_when_it_rests(folder: Path, lines: str) -> tuple[int, str]:
    process = run(folder, lines)
    eventually(lambda: rests(process.pid), "it naps")
    os.kill(process.pid, signal.SIGABRT)
    return process.wait(10 * PATIENCE), (folder / "dump").read_text()


def test_who_held_the_lock_is_known_after_an_abort_too(tmp_path: Path) -> None:
    """It was told when asked; of the abort only the thread that was hit is written."""
    process = run(tmp_path, "stacks.write(of_all=False)\nasyncio.run(idle(backtrack))")
    wait_until_it_stays(process.pid)
    os.kill(process.pid, POKE)
    wait_for_dump(tmp_path, 1)
    os.kill(process.pid, signal.SIGABRT)
    assert process.wait(10 * PATIENCE) == -signal.SIGABRT
    crash = Crash.read((tmp_path / "dump").read_text())
    assert crash.error == "Aborted"
    assert str(crash.site) == where(tmp_path, "backtrack", "re.match")
    assert [one.is_current for one in crash.threads] == [False, True]


def test_who_enables_it_for_a_file_of_his_own_meanwhile_keeps_it(tmp_path: Path) -> None:
    theirs = "import faulthandler\nfaulthandler.enable(open('theirs', 'wb'))\n"
    status, text = written_by(tmp_path, f"{theirs}stacks.write(of_all=False)\nstacks.end()\nabort()")
    assert (status, text) == (-signal.SIGABRT, "")
    assert Crash.read((tmp_path / "theirs").read_text()).error == "Aborted"


def test_who_was_beside_a_thread_that_broke_is_not_named() -> None:
    beside = 'Thread 0x0a (most recent call first):\n  File "/srv/shop/report.py", line 5 in render\n'
    main = f'Current thread 0x0b (most recent call first):\n  File "{selectors.__file__}", line 5 in select\n'
    broke = "Fatal Python error: {}\n\nStack (most recent call first):\n  <no Python frame>\n"
    assert str(Crash.read(beside + main).site) == "render (shop/report.py:5)"
    assert str(Crash.read(beside + main + broke.format("Aborted")).site) == "render (shop/report.py:5)"
    assert Crash.read(beside + main + broke.format("Segmentation fault")).site is None


def test_a_dump_of_all_threads_is_newer_than_a_stack_alone_before_it() -> None:
    alone = 'Fatal Python error: Aborted\n\nStack (most recent call first):\n  File "/srv/a.py", line 1 in first\n'
    main = 'Current thread 0x0b (most recent call first):\n  File "/srv/a.py", line 2 in second\n'
    assert [one.frames[0].function for one in Crash.read(alone + main).threads] == ["second"]


def test_a_callback_in_c_is_no_waiting_either(tmp_path: Path) -> None:
    start = "loop = asyncio.new_event_loop(); loop.call_soon(here); loop.call_soon(time.sleep, 60); loop.run_forever()"
    assert not Crash.read(asked(tmp_path, start, number=signal.SIGABRT)).is_waiting


def test_only_the_last_of_several_dumps_counts(tmp_path: Path) -> None:
    text = asked(tmp_path, "asyncio.run(idle(nap, nap, backtrack))", times=3)
    assert text.count("Current thread") == 3
    assert len(Crash.read(text).threads) == 4
    assert [one.is_current for one in Crash.read(text).threads] == [False, False, False, True]


def test_a_thread_that_has_ended_since_accuses_nobody(tmp_path: Path) -> None:
    """Seen in the first dump, gone in the second."""
    first = 'Thread 0x0a (most recent call first):\n  File "/srv/shop/report.py", line 5 in render\n'
    main = f'Current thread 0x0b (most recent call first):\n  File "{selectors.__file__}", line 5 in select\n'
    main += f'  File "{asyncio.base_events.__file__}", line 5 in _run_once\n'
    assert str(Crash.read(first + main).site) == "render (shop/report.py:5)"
    assert Crash.read(first + main + main).site is None
    assert Crash.read(first + main + main).is_waiting


LINES = st.sampled_from(
    [
        *("Fatal Python error: Aborted", "Thread 0x0a (most recent call first):", "  <no Python frame>", "  ..."),
        *("Current thread 0x0b (most recent call first):", '  File "/a/b.py", line 5 in c', '  File "", line 1 in x'),
        *(f'  File "/a/b.py", line {"9" * 5000} in c', '  File "\0\ud800", line ١ in <module>', '  File "'),
        *("Stack (most recent call first):", "Fatal Python error: Segmentation fault"),
        *('  File "/x/selectors.py", line 1 in select', '  File "/x/asyncio/events.py", line 1 in _run'),
    ]
)


@given(st.one_of(st.text(), st.lists(st.one_of(LINES, st.text(max_size=20))).map("\n".join)))
def test_any_text_can_be_read(text: str) -> None:
    site = Crash.read(text).site
    assert site is None or str(site)
    assert isinstance(Crash.read(text).is_waiting, bool)
    assert Crash.read(text).error in text


def test_of_a_long_dump_what_broke_and_the_thread_that_was_hit_are_kept() -> None:
    idle = "".join(
        f'Thread 0x{number:016x} (most recent call first):\n  File "/usr/lib/threading.py", line 1 in wait\n\n'
        for number in range(1, 400)
    )
    hit = 'Current thread 0x00007f0000000000 (most recent call first):\n  File "/app/main.py", line 7 in breaks\n\n'
    dump = f"Fatal Python error: Segmentation fault\n\n{idle}{hit}{idle}"
    kept = Crash.read(dump).excerpt
    assert len(kept) < 1000 < len(dump)
    assert Crash.read(kept).error == "Segmentation fault"
    assert "line 7 in breaks" in kept
    assert Crash.read(kept).excerpt == kept


def test_the_stack_of_the_thread_that_was_hit_comes_first() -> None:
    idle = 'Thread 0x01 (most recent call first):\n  File "/usr/lib/threading.py", line 1 in wait\n\n'
    hit = 'Current thread 0x02 (most recent call first):\n  File "/app/main.py", line 7 in breaks\n'
    head = "Fatal Python error: Segmentation fault\n\n"
    assert Crash.read(head + idle + hit).excerpt == f"{head}{hit}\n{idle.rstrip()}\n"
