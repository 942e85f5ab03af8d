"""One life under each kind of server: start, a task, a stop in the middle of another one, the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.life.captured import Capture, captured
from tests.support.marks import each_started_once
from tests.support.processes import CHILD, can_be_bound, living_in, runners_in, sockets_of
from tests.support.servers import KINDS, WITH_SPARE, eventually

SESAME = "sesame"
ALIKE = ["uvicorn --factory", "gunicorn build()", "python main.py", "uvicorn mounted", "gunicorn mounted"]

MORE = ["uvicorn --workers 2", "gunicorn --preload", "fastapi run"]
MOUNTED = ["uvicorn mounted", "gunicorn mounted"]
"""The server opens what it serves; nobody opens what is mounted there, in a task process neither."""

APPS = dict.fromkeys(ALIKE[:2], "main:build()") | dict.fromkeys(MOUNTED, "main:root")


@dataclass(frozen=True)
class Life:
    """What was seen in it."""

    kind: str
    folder: Path
    sees: list[str]
    has_one_runner: bool
    shared_sockets: set[str]
    ran_before_the_stop: bool
    port_was_free: bool
    capture_ended: bool
    all_left: bool
    process: str
    opened: list[str]
    closed: list[str]
    output: str


@pytest.fixture(scope="module", params=each_started_once(KINDS, slow=[*ALIKE, *MORE]))
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("life")
    with captured(request.param, folder, TOKEN=SESAME, OUTLAST_LINGER="0.3", **WITH_SPARE) as capture:
        yield lived(request.param, capture)


def lived(kind: str, capture: Capture) -> Life:
    server, folder = capture.server, capture.server.folder
    server.add("look_around", "it")
    sees = server.wait_for("sees", "it")
    server.add("until_told", "late")
    child = server.wait_for("began", "late")[2]
    ours = [*runners_in(folder), *living_in(folder, CHILD)]
    theirs = [pid for pid in living_in(folder) if pid not in ours]
    has_one_runner = comes_true(lambda: len(runners_in(folder)) == 1)
    shared_sockets = sockets(ours) & sockets(theirs)
    server.stop()
    return Life(
        kind=kind,
        folder=folder,
        sees=sees,
        has_one_runner=has_one_runner,
        shared_sockets=shared_sockets,
        ran_before_the_stop=bool(server.witnessed("ran", "late")),
        port_was_free=can_be_bound(server.port),
        capture_ended=ends_when_told(capture),
        all_left=comes_true(lambda: not living_in(folder)),
        process=child,
        opened=[line[1] for line in server.witnessed("opened", child)],
        closed=[line[1] for line in server.witnessed("closed", child)],
        output=server.output,
    )


def sockets(pids: list[int]) -> set[str]:
    return {one for pid in pids for one in sockets_of(pid)}


def ends_when_told(capture: Capture) -> bool:
    """Whether the captured output is over soon after the last task."""
    assert not capture.is_over(), "the task's process still has the output, so this would prove nothing"
    capture.server.tell("late")
    return comes_true(capture.is_over)


def comes_true(holds: Callable[[], bool]) -> bool:
    """Whether it holds in time: a runner that came too late takes a second to see that and leave."""
    with suppress(AssertionError):
        eventually(holds, "it holds")
    return holds()


def test_a_task_sees_variables_folder_and_opened_app_of_its_server(life: Life) -> None:
    assert life.sees == ["sees", "it", SESAME, str(life.folder), str(life.kind not in MOUNTED)], life.output


def test_its_process_has_found_the_app_and_entered_and_left_its_lifespan_once(life: Life) -> None:
    assert len(life.opened) == len(life.closed) == (life.kind not in MOUNTED), life.output
    app = APPS.get(life.kind, "main:app")
    assert f"it has imported {app}\n" in life.output
    entered = f"task process {life.process} takes tasks: it has entered the lifespan of {app}"
    assert life.output.count(entered) == 1, life.output


def test_there_is_one_runner(life: Life) -> None:
    assert life.has_one_runner


def test_neither_runner_nor_task_process_holds_a_socket_of_the_server(life: Life) -> None:
    assert not life.shared_sockets
    assert life.port_was_free


def test_stopping_the_server_does_not_wait_for_a_running_task(life: Life) -> None:
    assert not life.ran_before_the_stop


def test_the_captured_output_ends_once_the_server_has_stopped_and_its_last_task_has_ended(life: Life) -> None:
    assert life.capture_ended


def test_nobody_is_left_and_nobody_complained(life: Life) -> None:
    assert life.all_left
    assert "Traceback" not in life.output
    assert "ERROR" not in life.output
