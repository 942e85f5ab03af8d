"""What faulthandler writes, made by real processes, and what is read from it."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.watch.crash import Crash
from tests.support.lines import line_of
from tests.support.processes import kill
from tests.support.servers import PATIENCE, eventually

PROGRAM = """
import asyncio, ctypes, faulthandler, os, re, signal, sys, threading, time

dump = open("dump", "wb", buffering=0)
faulthandler.enable(dump)
faulthandler.register(signal.SIGUSR1, dump)


def segfault():
    ctypes.string_at(0)


def abort():
    os.abort()


def backtrack():
    re.match(r"(a+)+$", "a" * 60 + "b")


def nap():
    time.sleep(60)


def in_a_thread(function):
    threading.Thread(target=after_a_while, args=(function,), daemon=True).start()


def after_a_while(function):
    time.sleep(0.3)
    here()
    function()


async def on_the_loop(function):
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


def asked(folder: Path, lines: str, times: int = 1, number: signal.Signals = signal.SIGUSR1) -> str:
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
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGABRT])
def test_an_idle_loop_names_nobody(tmp_path: Path, loop: str, number: signal.Signals) -> None:
    text = asked(tmp_path, f"import {loop}; {loop}.run(idle())", number=number)
    assert Crash.read(text).site is None
    assert Crash.read(text).is_waiting


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_loop_that_was_hit_in_a_call_did_not_wait(tmp_path: Path, loop: str) -> None:
    text = asked(tmp_path, f"import {loop}; {loop}.run(on_the_loop(nap))", number=signal.SIGABRT)
    assert str(Crash.read(text).site) == where(tmp_path, "nap", "time.sleep")
    assert not Crash.read(text).is_waiting


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
