"""Who is charged for a dead process, and who is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outlast.runner.blame import happenings_by_blame
from outlast.tasks.outcome import Beside, Cut, Died, Raised, Returned, Suspected, WentDown, outcome
from outlast.tasks.task import Claimed, End, Lane, State
from outlast.watch.crash import Crash

KILLED = "was killed by SIGKILL"
CRASHED = "was killed by SIGSEGV"


def claimed(number: int, function: str = "app:send", crashes: int = 0, cuts: int = 0) -> Claimed:
    return Claimed(number, 1, crashes, cuts, function, "{}", Lane.LOOP)


def stack(*frames: tuple[str, str], other: tuple[tuple[str, str], ...] = ()) -> str:
    def lines(of: tuple[tuple[str, str], ...]) -> str:
        return "".join(f'  File "{file}", line 7 in {function}\n' for file, function in of)

    return (
        "Fatal Python error: Segmentation fault\n\n"
        f"Thread 0x0001 (most recent call first):\n{lines(other)}\n"
        f"Current thread 0x0002 (most recent call first):\n{lines(frames)}\n"
        "Extension modules: some (total: 1)\n"
    )


def test_an_attempt_that_was_alone_is_guilty() -> None:
    assert happenings_by_blame([claimed(1)], 7, KILLED) == {1: Died(7, KILLED, "")}


def test_of_several_all_are_suspects() -> None:
    found = happenings_by_blame([claimed(1), claimed(2), claimed(3)], 7, KILLED)
    assert found == dict.fromkeys((1, 2, 3), Suspected(7, KILLED, among=3))


def test_the_stack_of_the_crashed_thread_convicts() -> None:
    text = stack(("/lib/ctypes/__init__.py", "string_at"), ("/srv/app/mail.py", "crash"))
    found = happenings_by_blame(
        [claimed(1, "app.mail:crash"), claimed(2, "app.mail:send")], 7, CRASHED, Crash.read(text)
    )
    assert found == {1: Died(7, CRASHED, Crash.read(text).excerpt), 2: Beside(7, CRASHED)}


def test_the_stack_of_another_thread_convicts_nobody() -> None:
    text = stack(("/lib/threading.py", "run"), other=(("/srv/app/mail.py", "crash"),))
    found = happenings_by_blame(
        [claimed(1, "app.mail:crash"), claimed(2, "app.mail:send")], 7, CRASHED, Crash.read(text)
    )
    assert set(found.values()) == {Suspected(7, CRASHED, among=2)}


def test_a_function_of_that_name_in_another_file_is_not_meant() -> None:
    text = stack(("/srv/app/other.py", "crash"))
    found = happenings_by_blame([claimed(1, "app.mail:crash"), claimed(2)], 7, CRASHED, Crash.read(text))
    assert set(found.values()) == {Suspected(7, CRASHED, among=2)}


def test_several_of_the_function_on_the_stack_are_the_suspects_and_nobody_else() -> None:
    text = stack(("/srv/app/__init__.py", "crash"))
    found = happenings_by_blame(
        [claimed(1, "app:crash"), claimed(2, "app:crash"), claimed(3)], 7, CRASHED, Crash.read(text)
    )
    assert found == {1: Suspected(7, CRASHED, 2), 2: Suspected(7, CRASHED, 2), 3: Beside(7, CRASHED)}


ROOTS = ("/srv", "/srv/lib/python3.11/site-packages")


@pytest.mark.parametrize(
    ("function", "file", "is_it"),
    [
        ("app.tasks:run", "/srv/app/tasks.py", True),
        ("app.tasks:run", "/srv/lib/python3.11/site-packages/app/tasks.py", True),
        ("app.tasks:run", "/srv/lib/python3.11/site-packages/library/tasks.py", False),
        ("app.tasks:run", "/srv/tasks.py", False),
        ("tasks:run", "/srv/tasks.py", True),
        ("tasks:run", "/srv/lib/python3.11/site-packages/library/tasks.py", False),
        ("tasks:run", "/elsewhere/tasks.py", True),
        ("app.tasks:run", "/elsewhere/app/tasks.py", True),
        ("app.tasks:run", "/elsewhere/library/tasks.py", False),
        ("app:run", "/srv/app/__init__.py", True),
        ("app:run", "/srv/other/__init__.py", False),
        ("app.tasks:Mailer.run", "/srv/app/tasks.py", True),
    ],
)
def test_a_frame_is_that_of_the_module_that_its_file_is_imported_as(function: str, file: str, is_it: bool) -> None:
    found = happenings_by_blame([claimed(1, function), claimed(2)], 7, CRASHED, Crash.read(stack((file, "run"))), ROOTS)
    assert isinstance(found[1], Died) is is_it


def test_what_faulthandler_really_writes_is_understood(tmp_path: Path) -> None:
    module = tmp_path / "victim.py"
    module.write_text(
        "import ctypes, faulthandler, sys\n"
        "def crash():\n    ctypes.string_at(0)\n"
        "faulthandler.enable(open(sys.argv[1], 'w'))\ncrash()\n"
    )
    subprocess.run([sys.executable, module, tmp_path / "crash"], check=False)
    text = (tmp_path / "crash").read_text()
    assert isinstance(
        happenings_by_blame([claimed(1, "victim:crash"), claimed(2)], 7, CRASHED, Crash.read(text))[1], Died
    )


def test_only_the_guilty_pays() -> None:
    assert outcome(Died(7, KILLED), claimed(1), 2).end is End.CRASHED
    for happened in (Suspected(7, KILLED, 4), Beside(7, KILLED), Cut("so")):
        settled = outcome(happened, claimed(1, crashes=1), 2)
        assert (settled.end, settled.state) == (End.INTERRUPTED, State.WAITING)


def test_the_second_death_of_its_process_fails_a_task() -> None:
    assert outcome(Died(7, KILLED), claimed(1), 2).state is State.WAITING
    failed = outcome(Died(7, KILLED), claimed(1, crashes=1), 2)
    assert failed.state is State.FAILED
    assert "SIGKILL" in failed.reason


@pytest.mark.parametrize(("among", "group_size"), [(1000, 500), (5, 2), (3, 1), (2, 1)])
def test_suspects_run_again_in_groups_of_half_the_size(among: int, group_size: int) -> None:
    assert outcome(Suspected(7, KILLED, among), claimed(1), 2).group_size == group_size


@pytest.mark.parametrize(
    ("cuts", "state", "group_size"),
    [(0, State.WAITING, None), (1, State.WAITING, 1), (3, State.WAITING, 1), (4, State.FAILED, 1)],
)
def test_what_was_there_each_time_everything_went_down_is_set_apart_and_then_fails(
    cuts: int, state: State, group_size: int | None
) -> None:
    settled = outcome(WentDown("the machine went down"), claimed(1, cuts=cuts), 2)
    assert (settled.end, settled.state, settled.group_size, settled.cuts) == (End.INTERRUPTED, state, group_size, 1)


def test_what_ended_by_itself_is_settled_as_it_ended() -> None:
    assert outcome(Returned(), claimed(1), 2).state is State.DONE
    assert outcome(Raised("ValueError: no", "Traceback"), claimed(1), 2).reason == "ValueError: no"
