"""`outlast demo`: its verdicts and its picture from given observations, and one real run."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from rich.console import Console

from outlast.demo import command
from outlast.demo.command import demo
from outlast.demo.happenings import happenings
from outlast.demo.live import LiveLines, panels
from outlast.demo.logbook import Sighting, What, is_of_small_request, port_in, read
from outlast.demo.plan import ARTICLE, OUTLAST, STOCK
from outlast.demo.report import table, verdict
from outlast.demo.timeline import draw
from outlast.demo.verdict import End, Story, blocked_stretches, tell
from outlast.demo.visitor import Visit
from tests.board.test_served import FROM_HERE
from tests.support.history import history_of
from tests.support.marks import slow
from tests.support.processes import living_in
from tests.support.servers import PATIENCE, eventually

ASKED = [Visit(10.0, 1, 10.002, answered=True), Visit(10.3, 2, 10.302, answered=True), Visit(10.6, 3)]
ACCEPTED = [Sighting(10.0, What.ACCEPTED, 7, 1), Sighting(10.3, What.ACCEPTED, 7, 2)]
KILLED = [Sighting(20.0, What.TIMEOUT, 7), Sighting(20.1, What.GONE, 7), Sighting(20.1, What.BOOTED, 8)]
RESTARTED = [Sighting(21.0, What.ACCEPTED, 8, 3), Sighting(36.0, What.FINISHED, 8, 3)]
SVG = "{http://www.w3.org/2000/svg}"


def small(start: float, end: float, blocked: tuple[float, float] | None = None) -> list[Visit]:
    """A small request each 100 ms, answered in 2 ms, or at the end of the blocked stretch."""
    sent = [start + step / 10 for step in range(round((end - start) * 10))]
    return [Visit(at, None, _answered_at(at, blocked), answered=True) for at in sent]


def _answered_at(sent: float, blocked: tuple[float, float] | None) -> float:
    return blocked[1] if blocked and blocked[0] <= sent < blocked[1] else sent + 0.002


def stock_story() -> Story:
    visits = [*small(9.0, 36.0, blocked=(10.35, 21.0)), *ASKED[:2], Visit(10.6, 3, 21.0, answered=True)]
    return tell(STOCK, visits, [*ACCEPTED, *KILLED, *RESTARTED], 36.2)


def outlast_story() -> Story:
    asked = [replace(visit, ended=visit.sent + 0.004, answered=True) for visit in ASKED]
    accepted = [Sighting(visit.sent, What.ACCEPTED, 5, visit.action) for visit in ASKED]
    finished = [Sighting(visit.sent + 15.2, What.FINISHED, 6, visit.action) for visit in ASKED]
    return tell(OUTLAST, [*small(9.0, 36.0), *asked], [*accepted, *finished], 36.2)


class TestLog:
    def test_a_request_that_a_worker_began_to_answer(self) -> None:
        line = "[2026-01-02 03:04:05 +0100] [7] [INFO] Started GET /?action=3"

        assert read(1.5, line) == Sighting(1.5, What.ACCEPTED, 7, 3)

    def test_a_task_that_finished(self) -> None:
        line = "[2026-01-02 03:04:05 +0100] [9] [WARNING] Action 2 finished: an async function that blocks"

        assert read(1.5, line) == Sighting(1.5, What.FINISHED, 9, 2)

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("[t] [1] [CRITICAL] WORKER TIMEOUT (pid:42)", What.TIMEOUT),
            ("[t] [1] [WARNING] Worker (pid:42) was sent SIGABRT!", What.GONE),
            ("[t] [1] [ERROR] Worker (pid:42) was sent SIGKILL! Perhaps out of memory?", What.GONE),
            ("[t] [1] [ERROR] Worker (pid:42) exited with code 1.", What.GONE),
            ("[t] [42] [INFO] Worker exiting (pid: 42)", What.GONE),
            ("[t] [42] [INFO] Booting worker with pid: 42", What.BOOTED),
        ],
    )
    def test_what_becomes_of_a_worker(self, line: str, what: What) -> None:
        assert read(0.0, line) == Sighting(0.0, what, 42)

    @pytest.mark.parametrize("words", ["Started GET /", "Completed GET / with 200"])
    def test_small_requests_are_told_apart(self, words: str) -> None:
        line = f"[t] [7] [INFO] {words}"

        assert read(0.0, line) is None
        assert is_of_small_request(line)

    def test_the_port_gunicorn_was_given(self) -> None:
        assert port_in("[t] [1] [INFO] Listening at: http://127.0.0.1:40123 (1)") == 40123
        assert port_in("[t] [1] [INFO] Using worker: asgi") is None


class TestVerdict:
    def test_stock_loses_what_its_killed_worker_had(self) -> None:
        story = stock_story()

        assert [task.end for task in story.tasks] == [End.LOST, End.LOST, End.FINISHED]
        assert [task.ended for task in story.tasks] == [20.1, 20.1, 36.0]
        assert [sighting.pid for sighting in story.killed] == [7]
        assert (story.finished, story.decided) == (1, True)

    def test_nothing_is_lost_before_the_worker_is_gone(self) -> None:
        story = tell(STOCK, ASKED, [*ACCEPTED, KILLED[0]], 20.05)

        assert [task.end for task in story.tasks] == [End.OPEN] * 3
        assert not story.decided

    def test_a_task_that_finished_before_its_worker_was_killed_is_not_lost(self) -> None:
        story = tell(STOCK, ASKED[:1], [ACCEPTED[0], Sighting(15.0, What.FINISHED, 7, 1), *KILLED], 21.0)

        assert (story.tasks[0].end, story.tasks[0].ended) == (End.FINISHED, 15.0)

    def test_with_outlast_the_end_of_a_web_worker_decides_nothing(self) -> None:
        before = tell(OUTLAST, ASKED[:1], [ACCEPTED[0], *KILLED], 21.0)
        after = tell(OUTLAST, ASKED[:1], [ACCEPTED[0], *KILLED, Sighting(25.5, What.FINISHED, 6, 1)], 26.0)

        assert before.tasks[0].end is End.OPEN
        assert (after.tasks[0].end, after.tasks[0].ended) == (End.FINISHED, 25.5)

    def test_what_has_not_finished_when_the_demo_is_over_is_lost_with_outlast_too(self) -> None:
        story = tell(OUTLAST, ASKED, ACCEPTED, 60.0, over=True)

        assert [task.end for task in story.tasks] == [End.LOST] * 3
        assert [task.reason for task in story.tasks] == ["it did not finish in time"] * 2 + [
            "no worker took its request"
        ]

    def test_what_happened_before_the_first_request_does_not_count(self) -> None:
        story = tell(STOCK, ASKED, [Sighting(9.9, What.GONE, 7), Sighting(9.9, What.TIMEOUT, 7)], 11.0)

        assert (story.killed, story.timeouts) == ((), ())

    def test_the_slowest_and_the_unanswered_small_request(self) -> None:
        story = tell(STOCK, [Visit(1.0, None, 1.4, answered=True), Visit(1.1, None, 6.1), Visit(1.2)], [], 7.0)

        assert story.slowest == pytest.approx(5.8)
        assert story.unanswered == 1

    def test_clients_are_blocked_from_the_first_that_waits_to_the_next_answer(self) -> None:
        stretches = blocked_stretches(small(0.0, 30.0, blocked=(10.35, 21.0)), 30.0)

        assert stretches == ((10.4, 21.0),)

    def test_one_slow_request_among_quick_ones_blocks_nobody(self) -> None:
        assert blocked_stretches([*small(0.0, 9.0), Visit(2.0, None, 8.0, answered=True)], 9.0) == ()

    def test_a_stretch_that_goes_on_ends_now(self) -> None:
        assert blocked_stretches([*small(0.0, 1.0), Visit(1.0), Visit(1.1)], 4.0) == ((1.0, 4.0),)


class TestWords:
    def test_happenings_stand_in_their_order(self) -> None:
        told = happenings(stock_story())

        assert [happening.at for happening in told] == sorted(happening.at for happening in told)
        words = "\n".join(happening.text for happening in told)
        assert "WORKER TIMEOUT: gunicorn kills pid 7" in words
        assert "action 2 lost: its worker was killed" in words
        assert "action 3 finished, 25.4 s after its request" in words

    def test_without_a_terminal_each_happening_is_one_line_and_said_once(self) -> None:
        console = Console(width=100)
        lines = LiveLines(console)

        with console.capture() as capture:
            lines.show((outlast_story(),))
            lines.show((outlast_story(),))

        assert capture.get().count("action 1 finished") == 1

    @pytest.mark.parametrize("width", [60, 80, 120, 200])
    def test_the_live_view_fits_its_terminal(self, width: int) -> None:
        shown = _text(panels((stock_story(), outlast_story()), ARTICLE, width), width)

        assert max(len(line) for line in shown.splitlines()) <= width
        assert shown.count("LOST") == 2

    def test_the_table_says_what_was_measured(self) -> None:
        stories = (stock_story(), outlast_story())

        shown = _text(table(stories), 120)

        assert "LOST after 10.1 s: its worker was killed" in shown
        assert shown.count("finished after 15.2 s") == 3
        assert "1 (pid 7)" in shown
        assert verdict(stories).plain == "stock finished 1 of 3 tasks; outlast finished 3 of 3 tasks."


class TestPicture:
    def test_it_is_an_svg_with_a_title_and_a_description(self) -> None:
        picture = _parsed(draw((stock_story(), outlast_story()), ARTICLE))

        assert picture.tag == f"{SVG}svg"
        assert picture.findtext(f"{SVG}title")
        assert "Stock FastAPI: 1 of 3 tasks finished, 1 workers killed" in (picture.findtext(f"{SVG}desc") or "")

    def test_it_shows_every_request_task_stretch_and_kill(self) -> None:
        stories = (stock_story(), outlast_story())
        picture = _parsed(draw(stories, ARTICLE))

        stock, outlast = (picture.find(f"{SVG}g[@id='side-{story.side.name}']") for story in stories)

        assert stock is not None
        assert outlast is not None
        assert _classes(stock, "visit") == len(stories[0].small)
        assert (_classes(stock, "kill"), _classes(stock, "blocked"), _classes(stock, "cut")) == (1, 1, 2)
        assert (_classes(outlast, "kill"), _classes(outlast, "blocked"), _classes(outlast, "cut")) == (
            0,
            0,
            0,
        )
        assert _classes(outlast, "task finished") == 3

    def test_a_task_is_as_long_as_it_took(self) -> None:
        picture = _parsed(draw((stock_story(), outlast_story()), ARTICLE))

        widths = [
            float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect") if bar.get("class", "").startswith("task ")
        ]
        lost, _, _, finished, *_ = widths

        assert lost / finished == pytest.approx(10.1 / 15.2, rel=0.01)

    def test_words_from_outside_are_escaped(self) -> None:
        side = replace(STOCK, title='<script>alert("1")</script> & more')

        picture = _parsed(draw((replace(stock_story(), side=side),), ARTICLE))

        assert picture.find(f".//{SVG}script") is None
        assert side.title in [element.text for element in picture.iter(f"{SVG}text")]

    def test_a_demo_without_any_answer_can_be_drawn(self) -> None:
        story = tell(STOCK, [Visit(1.0), Visit(2.0, 1)], [], 9.0, over=True)

        assert _parsed(draw((story,), ARTICLE)) is not None


class TestCommand:
    def test_missing_packages_are_named_with_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(command.PACKAGES, "no_such_module_at_all", "gunicorn")

        result = CliRunner().invoke(demo, ["--quick"])

        assert result.exit_code == 1
        assert result.output == 'Error: gunicorn missing: pip install "outlast[demo]"\n'

    def test_the_dashboard_needs_what_its_extra_brings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "find_spec", lambda module: None if module == "jinja2" else object())

        result = CliRunner().invoke(demo, ["--dashboard", "--picture", "nowhere/at/all.svg"])

        assert result.output == 'Error: jinja2 missing: pip install "outlast[demo]"\n'
        assert "no such folder" in CliRunner().invoke(demo, ["--picture", "nowhere/at/all.svg"]).output

    def test_a_picture_for_a_folder_that_is_not_there_is_refused_before_anything_runs(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(demo, ["--picture", str(tmp_path / "nowhere" / "picture.svg")])

        assert result.exit_code == 1
        assert "there is no such folder" in result.output

    def test_the_app_is_the_examples_own_file(self) -> None:
        assert command.article_files()[1] == Path(__file__).parents[2] / "examples" / "article" / "main.py"


def test_quick_demo_finishes_everything_with_outlast(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"

    run = subprocess.run(
        [*DEMO, "--picture", str(picture)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "outlast finished 3 of 3 tasks." in run.stdout
    assert "stock    no client has been answered" in run.stdout
    assert _longest_silence("outlast", run.stdout) < _longest_silence("stock", run.stdout), run.stdout
    sides = [group for group in _parsed(picture.read_text(encoding="utf-8")) if group.get("id", "").startswith("side-")]
    assert [_classes(side, "task finished") for side in sides][1] == 3


def _longest_silence(side: str, told: str) -> float:
    """Seconds without an answer: on a busy machine there may be some on either side."""
    found = re.findall(rf"{side} +clients are answered again, after ([\d.]+) s", told)
    return max(map(float, found), default=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, *slow(signal.SIGTERM, signal.SIGHUP)], ids=lambda one: one.name)
def test_a_demo_that_is_stopped_ends_its_servers(tmp_path: Path, signum: signal.Signals) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(DEMO, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "action 2 answered" in line)
        folders = [path.name for path in tmp_path.glob("outlast-demo-*")]

        process.send_signal(signum)

        assert "both servers are ended" in process.stdout.read()
    assert process.returncode == 130
    assert len(folders) == 2
    assert _gunicorns_in(tmp_path) == []
    assert not list(tmp_path.glob("outlast-demo-*"))


@pytest.mark.slow
def test_a_demo_that_nobody_reads_on_ends_its_servers_and_says_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(DEMO, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next(process.stdout)
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
    assert _gunicorns_in(tmp_path) == []
    assert not list(tmp_path.glob("outlast-demo-*"))


@pytest.mark.slow
def test_with_its_dashboard_it_goes_on_until_it_is_told_to_end(tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "BROWSER": str(browser)}
    command = [*DEMO, "--dashboard"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = _address_said(process.stdout)
            eventually(opened.exists, "it is shown in the browser")
            assert opened.read_text().strip() == address
            _look_around(_Shown(address), tmp_path)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 0
    assert living_in(tmp_path) == []
    assert not list(tmp_path.glob("outlast-demo-*"))


class _Shown:
    """A dashboard at its address, as a browser that was led there sees it."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\?key=.+)", address)
        assert found, address
        self._port = int(found[1])
        self._cookie = ""
        self._cookie = self._asked("GET", found[2]).getheader("set-cookie", "").partition(";")[0]

    def get(self, path: str) -> str:
        return self._asked("GET", path).read().decode()

    def post(self, path: str, form: str) -> None:
        assert self._asked("POST", path, form).status == 303

    def _asked(self, method: str, path: str, form: str | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10 * PATIENCE)
        connection.request(method, path, form, FROM_HERE | {"cookie": self._cookie, "connection": "close"})
        return connection.getresponse()


def _address_said(lines: Iterable[str]) -> str:
    """Where the dashboard is, which the demo says after what became of its tasks."""
    said = ""
    for line in lines:
        if line.startswith("Dashboard: "):
            assert "outlast finished 3 of 3 tasks." in said
            return line.removeprefix("Dashboard: ").strip()
        said += line
    raise AssertionError(said)


def _look_around(shown: _Shown, folder: Path) -> None:
    """Who blocked is there, and a task can be run again."""
    incidents = shown.get("/incidents")
    assert "block_the_event_loop" in incidents
    assert "time.sleep" in incidents
    (task,) = re.findall(r'id="task-(\w+)"', shown.get("/tasks?name=sleep_on_the_event_loop"))
    shown.post("/change", f"verb=retry&task={task}")
    (journal,) = folder.glob("outlast-demo-*/.outlast/journal.db")
    eventually(lambda: _ran_again(journal, task), "it has run again")


def _ran_again(journal: Path, task: str) -> bool:
    record = history_of(journal).task(task)
    return (record.state, record.attempt) == ("done", 2)


IN_NO_HURRY = """
from outlast.demo import plan
from outlast.demo.command import demo

plan.QUICK = plan.DemoPlan(task_seconds=9.0, worker_timeout=6)  # on a busy machine two seconds are gone in an import
demo()
"""
DEMO = [sys.executable, "-c", IN_NO_HURRY, "--quick"]


def _gunicorns_in(folder: Path) -> list[str]:
    """The processes whose working directory is, or was, below `folder` and that are gunicorns."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place, command = (process / "cwd").readlink(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(place).startswith(str(folder)) and b"gunicorn" in command:
            found.append(process.name)
    return found


def _parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314 - we have just drawn it


def _text(shown: object, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def _classes(part: ElementTree.Element, name: str) -> int:
    """How many elements below `part` have all the class words of `name`."""
    wanted = set(name.split())
    return sum(wanted <= set(element.get("class", "").split()) for element in part.iter())
