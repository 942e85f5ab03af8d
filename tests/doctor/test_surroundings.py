"""What the doctor says about server, journal and settings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import apsw
import pytest

from outlast.doctor.findings import Code, Finding, Severity
from outlast.doctor.journal import journal_facts
from outlast.doctor.server import Server, read_server
from outlast.doctor.surroundings import JournalFacts, journal_findings, server_findings, stall_findings
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_journal
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Lane, NewTask, State
from outlast.watch.incident import Cause, Incident, IncidentKind
from tests.doctor.projects import CLEAN, FACTORY, write
from tests.doctor.run import doctor

JOURNAL = Path("/srv/.outlast/journal.db")
GUNICORN = "gunicorn -w 1 -t 10 -k asgi main:app"


def server(command: str, folder: Path, **environ: str) -> Server:
    found = read_server(command, environ, folder)
    assert found is not None
    return found


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in findings]


def about_server(
    command: str, folder: Path, inline: list[str], blockers: Mapping[str, float], wait: float
) -> list[tuple[str, str]]:
    return said(list(server_findings(server(command, folder), inline, blockers, wait)))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (GUNICORN, ("gunicorn", "main:app", 1, 10.0, 30.0, 0)),
        (
            "exec python -m gunicorn main:build() --workers=4 --max-requests 100",
            ("gunicorn", "main:build()", 4, 30.0, 30.0, 100),
        ),
        ("WEB_CONCURRENCY=3 gunicorn -b localhost:80 shop.main:app", ("gunicorn", "shop.main:app", 3, 30.0, 30.0, 0)),
        ("uvicorn --host x --factory main:build", ("uvicorn", "main:build()", 1, 0.0, None, 0)),
        ("uvicorn main:app --workers 2 --limit-max-requests 9", ("uvicorn", "main:app", 2, 5.0, None, 9)),
        ("uvicorn main:app --timeout-graceful-shutdown 4", ("uvicorn", "main:app", 1, 0.0, 4.0, 0)),
    ],
)
def test_a_command_line_is_understood(command: str, told: tuple[object, ...], tmp_path: Path) -> None:
    found = server(command, tmp_path)
    assert (found.name, found.app, found.workers, found.timeout, found.graceful, found.max_requests) == told


def test_gunicorns_own_order_of_precedence_holds_and_its_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 11\ngraceful_timeout = 12\nmax_requests = 13\n1 / 0\n")
    found = server("gunicorn -t 31 main:app", tmp_path, GUNICORN_CMD_ARGS="--graceful-timeout 22 -t 21")
    assert (found.timeout, found.graceful, found.max_requests) == (31.0, 22.0, 13)
    assert found.place("timeout") == ("--server", 0)
    assert found.place("graceful") == ("GUNICORN_CMD_ARGS", 0)
    assert found.place("max_requests") == (str(tmp_path / "gunicorn.conf.py"), 3)


def test_without_a_command_line_gunicorn_is_known_by_its_file_or_variable(tmp_path: Path) -> None:
    assert read_server(None, {}, tmp_path) is None
    assert read_server(None, {"GUNICORN_CMD_ARGS": "-t 5"}, tmp_path) is not None
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 5\n")
    assert read_server(None, {}, tmp_path) is not None


def test_inline_tasks_and_what_ends_them(tmp_path: Path) -> None:
    inline = ["main:f"]
    assert about_server(GUNICORN, tmp_path, inline, {}, 0) == [("asgi-grace", "finding"), ("short-stop", "note")]
    assert about_server("gunicorn main:app --max-requests 9", tmp_path, inline, {}, 0)[0] == ("max-requests", "finding")
    assert about_server("uvicorn main:app", tmp_path, inline, {}, 0) == []
    assert about_server("hypercorn -k uvloop main:app", tmp_path, inline, {}, 0) == []
    assert about_server("hypercorn -k trio main:app", tmp_path, [], {}, 0) == [("trio", "finding")]
    assert about_server(GUNICORN + " --max-requests 9", tmp_path, [], {}, 0) == []


def test_an_app_that_is_imported_before_the_fork(tmp_path: Path) -> None:
    preload = [("preload", "note")]
    assert about_server("gunicorn --preload main:app", tmp_path, [], {}, 0) == preload
    assert about_server("gunicorn main:app", tmp_path, [], {}, 0) == []
    (tmp_path / "gunicorn.conf.py").write_text("preload_app = True\n")
    assert about_server("gunicorn main:app", tmp_path, [], {}, 0) == preload


@pytest.mark.parametrize("hook", ["post_fork", "post_worker_init"])
def test_what_gunicorn_sets_up_in_web_workers_is_not_in_task_processes(hook: str, tmp_path: Path) -> None:
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(f"def {hook}(*them):\n    import sentry_sdk\n    sentry_sdk.init()\n")
    assert about_server("gunicorn main:app", tmp_path, [], {}, 0) == [("hook-not-called", "note")]
    config.write_text(f"def {hook}(server, worker):\n    server.log.info('spawned')\n")
    assert about_server("gunicorn main:app", tmp_path, [], {}, 0) == []


@pytest.mark.parametrize(
    ("seconds", "inline", "found"),
    [
        (6.9, ["main:f"], []),
        (7.1, ["main:f"], [("short-timeout", "finding")]),
        (7.1, [], [("short-timeout", "note")]),
    ],
)
def test_a_timeout_that_is_shorter_than_what_was_seen(
    seconds: float, inline: list[str], found: list[object], tmp_path: Path
) -> None:
    told = about_server("gunicorn -t 10 main:app", tmp_path, inline, {"main:f": seconds}, 0)
    assert [one for one in told if one[0] == "short-timeout"] == found


@pytest.mark.parametrize(("seconds", "found"), [(6.9, []), (7.1, [("short-timeout", "finding")])])
def test_a_timeout_that_is_shorter_than_what_has_blocked_a_web_worker(
    seconds: float, found: list[object], tmp_path: Path
) -> None:
    stalls = {"send (report.py:88)": seconds}
    assert said(list(stall_findings(server("gunicorn -t 10 main:app", tmp_path), stalls))) == found
    assert said(list(stall_findings(server("uvicorn main:app", tmp_path), stalls))) == []


def test_what_has_blocked_a_web_worker_is_read_from_the_journal(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    stall = Incident(
        IncidentKind.STALL, Cause.BLOCKED, "web worker", 1, time.time(), 8.0, "send (report.py:88)", "it did"
    )
    with journal.transaction():
        journal.processes.note([stall, replace(stall, seconds=9.0), replace(stall, process="task process")])
    journal.close()
    assert journal_facts(Place.of(tmp_path / "journal.db"), time.time()).stalls == {"send (report.py:88)": 9.0}


def test_a_stop_that_is_shorter_than_stop_wait(tmp_path: Path) -> None:
    assert about_server("gunicorn main:app", tmp_path, [], {}, 30.0) == [("short-stop", "finding")]
    assert about_server("gunicorn main:app", tmp_path, [], {}, 29.0) == []
    assert about_server("uvicorn main:app", tmp_path, [], {}, 300.0) == []


@pytest.mark.parametrize(
    ("facts", "runner", "found"),
    [
        (JournalFacts(JOURNAL, "ext4"), "auto", []),
        (JournalFacts(JOURNAL, "nfs4"), "auto", [("journal-place", "finding")]),
        (JournalFacts(JOURNAL, unreadable="it is noise"), "auto", [("journal-unreadable", "finding")]),
        (JournalFacts(JOURNAL, others=((Path("/x"), "why"),)), "auto", [("two-journals", "finding")]),
        (JournalFacts(JOURNAL, runner_lives=False, waiting=2), "external", [("no-worker", "finding")]),
        (JournalFacts(JOURNAL, runner_lives=False), "external", [("no-worker", "note")]),
        (JournalFacts(JOURNAL, runner_lives=True, waiting=2), "external", []),
        (JournalFacts(JOURNAL, runner_lives=None, waiting=2), "external", []),
        (JournalFacts(JOURNAL, runner_lives=False, waiting=2), "off", [("no-worker", "note")]),
    ],
)
def test_the_journal(facts: JournalFacts, runner: str, found: list[object]) -> None:
    assert said(list(journal_findings(facts, runner, []))) == found


def test_the_codes_under_one_heading_stand_together() -> None:
    headings = [heading for heading, _ in groupby(Code, lambda code: code.heading)]
    assert len(headings) == len(set(headings))


def test_a_journal_in_memory_is_told(tmp_path: Path) -> None:
    url = "sqlite:////dev/shm/outlast-doctor/journal.db"
    answer = doctor(write(CLEAN, tmp_path), "shop.main:app", "--json", environ={"OUTLAST_URL": url})
    assert answer.found == {("journal-place", "/dev/shm/outlast-doctor/journal.db", 0)}
    assert not Path("/dev/shm/outlast-doctor").exists()


def test_a_variable_that_is_none_is_told(tmp_path: Path) -> None:
    answer = doctor(write(CLEAN, tmp_path), "shop.main:app", "--json", environ={"OUTLAST_DRIAN": "3"})
    (found,) = answer.document["findings"]
    assert (found["code"], found["file"], "did you mean 'drain'" in found["sentence"]) == (
        "unknown-variable",
        "OUTLAST_DRIAN",
        True,
    )


def test_a_variable_in_a_file_that_nobody_reads_is_told(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    (tmp_path / ".env").write_text("SECRET=x\nexport OUTLAST_DRAIN=3\n# OUTLAST_GRACE=1\nOUTLAST_LINGER=2\n")
    answer = doctor(tmp_path, "shop.main:app", "--json", environ={"OUTLAST_LINGER": "2"})
    (found,) = answer.document["findings"]
    assert (found["code"], found["file"]) == ("unread-variable", ".env")
    assert "OUTLAST_DRAIN stands in" in found["sentence"] and "--env-file" in found["remedy"]


def test_two_journals_are_told(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.outlast]\nurl = "sqlite:///one.db"\n')
    (tmp_path / "shop" / ".outlast").mkdir()
    (tmp_path / "shop" / ".outlast" / "journal.db").write_bytes(b"")
    answer = doctor(tmp_path, "shop.main:app", "--json", environ={"OUTLAST_URL": "sqlite:///two.db"})
    assert {one["code"] for one in answer.document["findings"]} == {"two-journals"}
    sentences = " ".join(one["sentence"] for one in answer.document["findings"])
    assert str(tmp_path / "one.db") in sentences
    assert str(tmp_path / "shop" / ".outlast" / "journal.db") in sentences


def test_a_journal_that_only_the_app_names_is_told(tmp_path: Path) -> None:
    text = CLEAN["shop/main.py"].replace("install(app)", "install(app, url='sqlite:///own.db')")
    answer = doctor(write({**CLEAN, "shop/main.py": text}, tmp_path), "shop.main:app", "--json")
    assert answer.found == {("two-journals", "own.db", 0)}


def test_it_reads_the_journal_and_does_not_change_it(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    path = tmp_path / ".outlast" / "journal.db"
    journal = open_journal(f"sqlite:///{path}")
    with journal.transaction():
        web = journal.processes.enter(ProcessEntry("web", os.getpid(), "here", 1.0))
        journal.tasks.add(
            [NewTask(TaskIds().next(), "shop.mail:send", "{}", Lane.THREAD, State.WAITING, 1.0, "GET /")], web
        )
    before = path.read_bytes()
    answer = doctor(tmp_path, "shop.main:app", "--json", environ={"OUTLAST_RUNNER": "external"})
    assert answer.found == {("no-worker", ".outlast/journal.db", 0)}
    assert path.read_bytes() == before
    with journal.transaction():
        journal.processes.enter(ProcessEntry("runner", os.getpid(), "here", 1.0))
    liveness = Liveness(Place.of(path))
    assert liveness.become_runner()
    answer = doctor(tmp_path, "shop.main:app", "--json", environ={"OUTLAST_RUNNER": "external"})
    assert answer.document["findings"] == []
    journal.close()


def test_a_journal_and_an_apps_own_database_in_one_file_are_found(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    own = tmp_path / "shop.db"
    with closing(apsw.Connection(str(own))) as connection:
        connection.execute("CREATE TABLE orders (what TEXT)")
    here = {"OUTLAST_URL": f"sqlite:///{own}", "OUTLAST_RUNNER": "external"}
    (found,) = doctor(tmp_path, "shop.main:app", "--json", environ=here).document["findings"]
    assert "shop.db is not a journal of outlast's, and is left as it is" in found["sentence"]
    assert found["remedy"].startswith("set OUTLAST_URL")
    own.unlink()
    with closing(open_journal(here["OUTLAST_URL"])) as journal:
        journal.open()
    with closing(apsw.Connection(str(own))) as connection:
        connection.execute("CREATE TABLE orders (what TEXT)")
    (found, *_) = doctor(tmp_path, "shop.main:app", "--json", environ=here).document["findings"]
    assert "in the journal are tables of somebody else's (orders)" in found["sentence"]


def test_names_to_redact_that_only_the_app_knows_are_found(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    main = tmp_path / "shop" / "main.py"
    main.write_text(main.read_text().replace("install(app)", "install(app, redact=['pin'])"))
    (found,) = doctor(tmp_path, "shop.main:app", "--json").document["findings"]
    assert (found["code"], found["file"]) == ("redacted-in-part", "redact")
    assert found["remedy"] == "write it into pyproject.toml, or set OUTLAST_REDACT"
    assert doctor(tmp_path, "shop.main:app", "--json", environ={"OUTLAST_REDACT": "pin"}).found == set()


def test_a_command_line_names_the_app_and_what_hurts_it(tmp_path: Path) -> None:
    write(FACTORY, tmp_path)
    answer = doctor(tmp_path, "--server", "gunicorn -t 10 -k asgi --max-requests 100 main:build()", "--json")
    assert answer.found == {
        ("no-name", "main.py", 18),
        ("asgi-grace", "--server", 0),
        ("max-requests", "--server", 0),
        ("short-stop", "gunicorn", 0),
    }
    assert [one["code"] for one in answer.document["findings"] if one["severity"] == Severity.NOTE] == ["short-stop"]
