"""Checks of what an app runs in: server, journal, settings. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outlast.doctor.findings import Code, Finding, finding, note, refusal
from outlast.doctor.server import Server
from outlast.journal.location import NETWORK_FILE_SYSTEMS, PASSING_FILE_SYSTEMS

GUNICORN_PATIENCE = 0.7  # of its timeout: it was seen to kill after as little
MOST_NAMED = 5
ASGI_GRACE = 3  # seconds that gunicorn's asgi worker leaves to what a client has left


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """What is known of the journal.

    file_system: its type, empty if not known. refused: why it is not used, ending with the remedy. unreadable: why it
    cannot be read. others: journals elsewhere, with what leads to them. blockers: seconds for which functions have
    blocked an event loop, at most. stalls: the same for what has blocked a web worker, such as `send (report.py:88)`.
    runner_lives: None if that cannot be told. waiting: tasks that wait to run. strange_tables: those in it that are not
    outlast's.
    """

    path: Path
    file_system: str = ""
    refused: str = ""
    unreadable: str = ""
    others: tuple[tuple[Path, str], ...] = ()
    blockers: Mapping[str, float] | None = None
    stalls: Mapping[str, float] = field(default_factory=dict)
    runner_lives: bool | None = None
    waiting: int = 0
    strange_tables: tuple[str, ...] = ()


def journal_findings(facts: JournalFacts, runner: str, doubts: Sequence[str]) -> Iterator[Finding]:
    """About the place of the journal, other journals, and who moves its tasks."""
    place = (str(facts.path), 0)
    if facts.file_system in NETWORK_FILE_SYSTEMS:
        sentence = f"the journal is on a network file system ({facts.file_system}), where SQLite's locks do not hold"
        yield finding(Code.JOURNAL_PLACE, place, sentence, "set OUTLAST_URL to a path on a local disk")
    if facts.refused:
        yield refusal(Code.JOURNAL_PLACE, place, facts.refused)
    for doubt in doubts:
        yield finding(Code.JOURNAL_PLACE, place, doubt, _outlasting(facts.file_system))
    if facts.unreadable:
        yield finding(Code.JOURNAL_UNREADABLE, place, facts.unreadable, "move it away, or use the outlast that made it")
    if facts.strange_tables:
        named = ", ".join(facts.strange_tables[:MOST_NAMED])
        sentence = (
            f"in the journal are tables of somebody else's ({named}), which writes to it at its own risk and ours"
        )
        yield finding(Code.JOURNAL_PLACE, place, sentence, "set OUTLAST_URL to a file of the journal's own")
    for other, leads in facts.others:
        there = "there is a second journal" if other.exists() else "another place is named for the journal"
        sentence = f"{there}, {other}: {leads}"
        yield finding(Code.TWO_JOURNALS, place, sentence, "set `url` in one place, to an absolute path")
    yield from _runner_findings(facts, runner)


def _outlasting(file_system: str) -> str:
    if file_system in PASSING_FILE_SYSTEMS:
        return "put it on a volume or a disk that outlasts the container, and set OUTLAST_URL to that"
    return "run it where processes are not stopped between requests"


def _runner_findings(facts: JournalFacts, runner: str) -> Iterator[Finding]:
    place = (str(facts.path), 0)
    if runner == "off" and facts.waiting:
        yield note(
            Code.NO_WORKER, place, f"runner is off and {facts.waiting} tasks wait", "set runner to auto or external"
        )
    if runner != "external" or facts.runner_lives is not False:
        return
    say = finding if facts.waiting else note
    waits = f", and {facts.waiting} tasks wait" if facts.waiting else ""
    sentence = f"runner is external, but no worker runs for this journal{waits}"
    yield say(Code.NO_WORKER, place, sentence, "start `outlast worker`, or set runner to auto")


def server_findings(
    server: Server, inline: Sequence[str], blockers: Mapping[str, float], stop_wait: float
) -> Iterator[Finding]:
    """About a server, given the functions whose tasks run in it and how long functions have blocked (s)."""
    if server.runs_on_trio:
        sentence = "on trio background tasks run inline, in the web worker, and are lost when that dies"
        yield finding(Code.TRIO, server.place("worker_class"), sentence, "run it on asyncio: leave `-k trio` out")
    if inline and server.is_gunicorn_asgi:
        sentence = f"gunicorn's asgi worker cancels {_shown(inline)} {ASGI_GRACE} s after a client has hung up"
        remedy = "mend what keeps the task inline, or use -k uvicorn_worker.UvicornWorker"
        yield finding(Code.ASGI_GRACE, server.place("worker_class"), sentence, remedy)
    if inline and server.max_requests:
        sentence = f"each worker ends after {server.max_requests} requests, and {_shown(inline)} with it"
        remedy = "mend what keeps the task inline, or set no limit of requests"
        yield finding(Code.MAX_REQUESTS, server.place("max_requests"), sentence, remedy)
    if server.preload:
        sentence = "with --preload a SIGHUP gives workers the old code again, task processes what stands in the files"
        yield note(Code.PRELOAD, server.place("preload"), sentence, "deploy by a restart, or leave --preload out")
    if server.hook:
        sentence = f"gunicorn calls {server.hook}() in web workers only: what it sets up is not there in task processes"
        remedy = "set it up where the app's module is imported, or in the lifespan"
        yield note(Code.HOOK_NOT_CALLED, server.place("hook"), sentence, remedy)
    yield from _timeout_findings(server, inline, blockers)
    yield from _stop_findings(server, inline, stop_wait)


def stall_findings(server: Server, stalls: Mapping[str, float]) -> Iterator[Finding]:
    """About what has blocked web workers, and for how long (s)."""
    for _, sentence in _blocked_too_long(server, stalls, "one"):
        remedy = "take the blocking call out of it, make it a task, or raise the timeout"
        yield finding(Code.SHORT_TIMEOUT, server.place("timeout"), sentence, remedy)


def _timeout_findings(server: Server, inline: Sequence[str], blockers: Mapping[str, float]) -> Iterator[Finding]:
    for function, sentence in _blocked_too_long(server, blockers, "an event loop"):
        if function in inline:
            remedy = "take the blocking call out of it, or raise the timeout"
            yield finding(Code.SHORT_TIMEOUT, server.place("timeout"), sentence, remedy)
        else:
            remedy = "keep it a task: called by a handler it would have the worker killed"
            yield note(Code.SHORT_TIMEOUT, server.place("timeout"), sentence, remedy)


def _blocked_too_long(server: Server, blocked: Mapping[str, float], what: str) -> Iterator[tuple[str, str]]:
    """Who has blocked it for longer than the server waits, each with the sentence that says so."""
    patience = server.timeout * (GUNICORN_PATIENCE if server.name == "gunicorn" else 1.0)
    kills = f"{server.name} kills a worker that is silent for {server.timeout:g} s"
    for who, seconds in blocked.items():
        if 0 < patience < seconds:
            yield who, f"{kills}, and {who} has blocked {what} for {seconds:.1f} s"


def _stop_findings(server: Server, inline: Sequence[str], stop_wait: float) -> Iterator[Finding]:
    if not server.graceful:
        return
    place = server.place("graceful")
    if stop_wait >= server.graceful:
        kills = f"{server.name} kills a stopping worker after {server.graceful:g} s"
        remedy = "set stop_wait below that, or raise the server's graceful timeout"
        yield finding(Code.SHORT_STOP, place, f"stop_wait is {stop_wait:g} s, but {kills}", remedy)
    if inline:
        sentence = f"{server.name} gives a stopping worker {server.graceful:g} s; {_shown(inline)} is cut after that"
        yield note(Code.SHORT_STOP, place, sentence, "mend what keeps the task inline, or raise the graceful timeout")


def _shown(inline: Sequence[str]) -> str:
    more = f" and {len(inline) - 1} more" if len(inline) > 1 else ""
    return f"the inline task {inline[0]}{more}"
