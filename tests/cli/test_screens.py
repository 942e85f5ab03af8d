"""Pages of the terminal as a terminal shows them: at 80 and 120 columns, with and without colour, no word is cut."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pyte
import pytest
from click.testing import CliRunner

from outlast.cli.bars import bar_on
from outlast.cli.main import cli
from outlast.cli.output import fitted, wrapped
from outlast.journal.turn import Reached, Turn
from outlast.tasks.log import TaskLog
from outlast.tasks.progress import Progress
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.board.conftest import Tasks, tasks
from tests.support.servers import eventually
from tests.support.terminals import plain, terminal
from tests.support.turns import claim

__all__ = ["tasks"]

LONG = "shop.warehouse.deliveries:send_the_invoice_of_an_order_to_everybody"
WHY = "ValueError: the warehouse in Reykjavik did not answer within 30 s, and nobody knows where the parcel is"
PAGES = {
    # and whether it has colours
    "list": True,
    "show FAILED": True,
    "show RUNNING --log": True,
    "status": False,
    "explain": True,
    "explain 1": False,
    "queue list": True,
    "schedule list": True,
    "config": True,
    "top": False,
    "wait FAILED": True,
    "tail FAILED": True,
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def names(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A journal with something on each page, whose words are long; the ids of two of its tasks."""
    monkeypatch.chdir(Path(tasks.url.removeprefix("sqlite:///")).parent)
    monkeypatch.setenv("OUTLAST_URL", "sqlite:///journal.db")
    monkeypatch.setenv("OUTLAST_LINGER", "5")
    monkeypatch.delenv("NO_COLOR", raising=False)
    (failed,) = tasks.fail(LONG, reason=WHY)
    tasks.finish("main:ok")
    (running,) = tasks.add(LONG)
    (one,) = claim(tasks.journal, tasks.runner, now=1.8e9)
    said, log = (
        Progress(120, 1000, "orders of the north, by date and by customer").text(),
        TaskLog(f"{WHY}\n" * 2, 70, 1000),
    )
    tasks.journal.turn(Turn(0, reached=[Reached(one.id, one.attempt, said, log=log)], happened=[stall()]))
    tasks.enqueue("mail-to-customers", LONG)
    tasks.add(LONG)
    with tasks.journal.transaction():
        tasks.journal.queues.pause("mail-to-customers")
    tasks.schedule("every morning at six, before anybody is there", LONG)
    return {"FAILED": failed, "RUNNING": running}


def stall() -> Incident:
    flights = (Flight(f"GET /orders/{'x' * 30}", 1.25), Flight(LONG, 2.0))
    sentence = f"{LONG} (deliveries.py:88) blocked the event loop for 2.5 s in time.sleep, and all requests with it"
    return Incident(
        IncidentKind.STALL,
        Cause.BLOCKED,
        "web worker",
        4711,
        1.8e9,
        2.5,
        f"{LONG} (deliveries.py:88)",
        sentence,
        "",
        flights,
    )


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_cuts_no_word_and_is_as_in_a_pipe(
    names: dict[str, str], page: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [names.get(word, word) for word in page.split()]
    if page == "top":
        arguments.append("--once")
    coloured = drawn(columns, arguments, monkeypatch)
    assert bool(COLOUR.search(coloured)) is PAGES[page]
    plain = drawn(columns, [*arguments, "--no-color"], monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(plain + drawn(columns, arguments, monkeypatch))
    in_a_pipe = CliRunner().invoke(cli, arguments).stdout
    assert words(on_a_screen(columns, coloured)) == words(on_a_screen(columns, plain)) == words(in_a_pipe)


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_said_aside_cuts_no_word_either(names: dict[str, str], columns: int) -> None:
    command = ["show", "zzzzzzzzzzzzz", "--url", "sqlite:////a-folder/journal.db"]
    with terminal(*command, columns=columns) as screen:
        eventually(lambda: screen.process.poll() is not None, "it has ended")
        assert words("\n".join(screen.rows)) == words(CliRunner().invoke(cli, command).stderr)


class Tty(io.StringIO):
    """What takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def drawn(columns: int, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints on a terminal of so many columns."""
    with monkeypatch.context() as patched:
        for name, value in {"COLUMNS": str(columns), "TERM": "xterm-256color"}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "stdout", screen := Tty())
        patched.setattr(sys, "stderr", io.StringIO())
        run(arguments)
    return screen.getvalue()


def run(arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(list(arguments))


def on_a_screen(columns: int, text: str) -> str:
    screen = pyte.Screen(columns, 200)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return "\n".join(screen.display)


def words(text: str) -> list[str]:
    return [one for one in text.split() if not re.fullmatch(r"[\d.]+", one)]  # seconds go on between two looks


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("options", [[], ["--no-color"]], ids=["colours", "plain"])
def test_top_draws_rows_that_fit_and_says_where_it_left_something_out(
    names: dict[str, str], columns: int, options: list[str]
) -> None:
    with terminal("top", *options, columns=columns) as screen:
        eventually(lambda: names["RUNNING"] in screen.text and "q quit" in screen.text, "it is drawn")
        assert ("\x1b[36m" in screen.drawn) is (not options)
        (row,) = (one for one in screen.rows if one.startswith(names["RUNNING"]))
        assert row.split()[4] == "12%"
        known = {LONG, *["orders", "of", "the", "north,", "by", "date", "and", "by", "customer"]}
        if columns == 120:
            assert {one.rstrip("…") for one in row.split()[5:]} <= known
        assert row.endswith("…")
        assert "web workers -   runner -   task processes -" in screen.rows


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("it fits in", "it fits in"),
        ("task processes 123 456", "task proc…"),
        ("1 waits 23", "1 waits 23"),
        ("1 waits 234 5", "1 waits…"),
        ("1 waits 234", "1 waits…"),
        ("1 waits at 2", "1 waits…"),
        ("注文 注文 注文", "注文 注文…"),
        ("注文注文注文", "注文注文…"),
    ],
)
def test_a_row_is_cut_between_words_unless_little_is_left(line: str, row: str) -> None:
    assert fitted(line, 10) == row


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("db check", "reading"),
        ("db vacuum --yes", "writing"),
        ("db prune --yes", "forgetting"),
        ("db backup copy.db", ""),  # of a small journal it is made in one step
        ("db export", "exporting"),
        ("cancel --state waiting --yes", "cancel"),
    ],
)
def test_what_may_take_long_has_a_bar_on_stderr_where_that_is_a_terminal(
    names: dict[str, str], tasks: Tasks, command: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.add(*["main:one of many"] * 1000)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", printed := io.StringIO())
    monkeypatch.setattr(sys, "stderr", bars := Tty())
    run(command.split())
    assert f"{said} " in plain(bars.getvalue())
    assert "━" in bars.getvalue()
    assert not COLOUR.search(printed.getvalue())
    assert "━" not in printed.getvalue()
    monkeypatch.setattr(sys, "stderr", nobody := io.StringIO())
    run(command.replace("copy.db", "another.db").split())
    assert "━" not in nobody.getvalue()


def test_what_a_task_says_of_its_progress_is_no_markup_of_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    with bar_on(screen := Tty()) as show:
        show("[/tmp/orders.csv] [bold]1", 1, 2)
    assert "[/tmp/orders.csv] [bold]1 " in plain(screen.getvalue())


@pytest.mark.parametrize("keys", ["snpq", "\x1b[A\x1b[5~q", "\x1bq", "xyzQ"])
def test_top_hears_each_of_several_keys(names: dict[str, str], keys: str) -> None:
    with terminal("top", "--every", "3600") as screen:
        eventually(lambda: screen.shows("q quit"), screen.text)
        screen.press(keys)
        eventually(lambda: screen.process.poll() is not None, "it has left")
        assert screen.process.returncode == 0, screen.text


def test_no_key_but_a_letter_leaves_top(names: dict[str, str]) -> None:
    with terminal("top", "--every", "3600") as screen:
        eventually(lambda: screen.shows("q quit"), screen.text)
        screen.press("\x1bOQn")  # F2, which ends as Q does
        eventually(lambda: screen.drawn.count("q quit") > 1, "it was drawn once more")
        assert screen.process.poll() is None
        screen.press("q")
        eventually(lambda: screen.process.poll() is not None, "it has left")


def test_sigterm_too_gives_the_terminal_back_that_top_had(names: dict[str, str]) -> None:
    with terminal("top") as screen:
        eventually(lambda: screen.shows("q quit"), screen.text)
        screen.process.terminate()
        eventually(lambda: screen.process.poll() is not None, "it has left")
        assert screen.process.returncode == 128 + signal.SIGTERM
        eventually(lambda: "\x1b[?1049l" in screen.drawn, "the other screen is left")


@pytest.mark.parametrize(("command", "said"), [("tail", "from now on"), ("wait RUNNING", "running"), ("top", "q quit")])
def test_a_command_that_is_left_by_ctrl_c_ends_with_130(names: dict[str, str], command: str, said: str) -> None:
    with terminal(*(names.get(word, word) for word in command.split())) as screen:
        eventually(lambda: screen.shows(said), screen.text)
        screen.process.send_signal(signal.SIGINT)
        eventually(lambda: screen.process.poll() is not None, "it has left")
        assert screen.process.returncode == 130, screen.text


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("  one two three", ["  one two", "  three"]),
        ("a  b", ["a  b"]),
        ("averylongword b", ["averylongword", "  b"]),
        ("注文が 届いた 注文が", ["注文が", "  届いた", "  注文が"]),
    ],
)
def test_a_line_is_broken_between_words_as_wide_as_they_are(line: str, rows: list[str]) -> None:
    assert wrapped(line, 2, 10).split("\n") == rows
