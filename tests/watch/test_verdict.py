"""Why a process died: what the survivor knows, and the very sentence that it makes of it."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from outlast.watch.crash import NO_CRASH, Crash
from outlast.watch.flights import InFlight
from outlast.watch.incident import Cause, Flight, IncidentKind
from outlast.watch.layout import LifeState, Owner, Server, StallNote, Vitals
from outlast.watch.recovered import Remains
from outlast.watch.verdict import Evidence, judge

BEGAN, DIED = 100.0, 200.0  # monotonic seconds
AT = 1_000_000.0  # of the same death, seconds since the epoch
GUNICORN, UVICORN = Server("gunicorn", 10.0, 30.0, "loop"), Server("uvicorn", 5.0, 0.0, "lock")
OWNER = Owner("web worker", 7, 900_000.0, "here", "this boot", server=GUNICORN)
SLEEPS = StallNote(
    *(Cause.BLOCKED, DIED - 9.0, "send (mail.py:8)", "time.sleep(60)", "the stack of the sleep"),
    flight=Flight("GET /mail", 9.0),
    is_over=False,
)
REQUEST = InFlight("GET /orders", 0, "", DIED - 2.0)
TASK, OTHER = InFlight("main:send", 3, "", DIED - 9.0), InFlight("main:other", 4, "", DIED - 1.0)
CUT = "; in flight: GET /orders (2.0 s: cut)"
DUMP = 'Current thread 0x00007f1 (most recent call first):\n  File "/srv/shop/report.py", line 5 in render\n'
SEGFAULT, ABORTED = f"Fatal Python error: Segmentation fault\n\n{DUMP}", f"Fatal Python error: Aborted\n\n{DUMP}"
IDLE = DUMP.replace("/srv/shop/report.py", "/usr/lib/python3/selectors.py") + (
    '  File "/usr/lib/python3/asyncio/base_events.py", line 5 in _run_once\n'
)
OUTSIDE = "was killed by SIGKILL from outside: not by outlast, and not for want of memory"
NOT_KNOWN = (
    "ended without a good-bye, and how is not known: nobody kept its exit status, its server had no reason that is "
    "known, memory had not run out, and it left no stack"
)


def found(
    status: int | None = None,
    *,
    silent: float = 0.1,
    watched: bool = False,
    state: LifeState = LifeState.SERVING,
    since: float = BEGAN,
    crash: str = "",
    stall: StallNote | None = None,
    server: Server = GUNICORN,
) -> Evidence:
    """A web worker whose loop had been silent for so long, and whose watching thread was not, if it `watched`."""
    beat = DIED - silent
    vitals = Vitals(beat, DIED - 0.05 if watched else 0.0, state, since, 210 << 20, 0)
    remains = Remains(replace(OWNER, server=server), vitals, (REQUEST,), stall, Crash.read(crash, AT if crash else 0.0))
    return Evidence(remains, AT, DIED, status)


def blocked(status: int | None, *, silent: float = 9.0, server: Server = GUNICORN) -> Evidence:
    return found(status, silent=silent, watched=True, stall=SLEEPS, server=server)


def held(status: int | None, *, silent: float = 9.0, server: Server = GUNICORN, crash: str = DUMP) -> Evidence:
    return found(status, silent=silent, server=server, crash=crash)


def unwatched(stall: StallNote, for_seconds: float, *, silent: float = 9.0, server: Server = GUNICORN) -> Evidence:
    """Watched at first, and not in its last seconds."""
    evidence = found(-signal.SIGKILL, silent=silent, stall=stall, server=server)
    vitals = replace(evidence.remains.vitals, watch_beat=DIED - for_seconds)
    return replace(evidence, remains=replace(evidence.remains, vitals=vitals))


BY_SEND = "its event loop had been blocked for 9.0 s by send (mail.py:8) in time.sleep(60), for GET /mail"
BY_RENDER = "the interpreter's lock had been held for 9.0 s by render (shop/report.py:5)"
SIGKILL, SIGABRT = -signal.SIGKILL, -signal.SIGABRT
VERDICTS: dict[str, tuple[Evidence, Cause, str]] = {
    "gunicorn aborts a blocked worker": (
        blocked(SIGABRT),
        Cause.TIMEOUT,
        f"was killed by gunicorn with SIGABRT, whose timeout is 10 s: {BY_SEND}",
    ),
    "gunicorn kills a blocked worker": (
        blocked(SIGKILL),
        Cause.TIMEOUT,
        f"was killed by gunicorn with SIGKILL, whose timeout is 10 s: {BY_SEND}",
    ),
    "gunicorn loses patience early": (
        blocked(SIGABRT, silent=5.2),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGABRT, whose timeout is 10 s: "
        "its event loop had been blocked for 5.2 s by send (mail.py:8) in time.sleep(60), for GET /mail",
    ),
    "gunicorn aborts a worker that had told late": (
        blocked(SIGABRT, silent=4.2),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGABRT, whose timeout is 10 s: "
        "its event loop had been blocked for 4.2 s by send (mail.py:8) in time.sleep(60), for GET /mail",
    ),
    "an abort of its own, where a timeout is short": (
        found(SIGABRT, crash=ABORTED, server=replace(GUNICORN, patience=2.0)),
        Cause.CRASH,
        "was killed by SIGABRT (Aborted), in render (shop/report.py:5)",
    ),
    "nobody has kept the status": (
        blocked(None),
        Cause.TIMEOUT,
        f"was killed by gunicorn, whose timeout is 10 s: {BY_SEND}",
    ),
    "gunicorn aborts a worker whose lock is held": (
        held(SIGABRT, crash=ABORTED),
        Cause.TIMEOUT,
        f"was killed by gunicorn with SIGABRT, whose timeout is 10 s: {BY_RENDER}",
    ),
    "nothing tells who held the lock": (
        held(SIGKILL, crash=""),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGKILL, whose timeout is 10 s: "
        "no thread of it had run Python for 9.0 s, and why is not known",
    ),
    "blocked, and killed long before the timeout": (
        blocked(SIGKILL, silent=4.0),
        Cause.SIGNAL,
        f"{OUTSIDE}; its event loop had been blocked for 4.0 s by send (mail.py:8) in time.sleep(60), for GET /mail",
    ),
    "blocked, and ended by a signal that no timeout sends": (
        blocked(-signal.SIGQUIT),
        Cause.SIGNAL,
        f"was killed by SIGQUIT from outside: not by outlast, and not for want of memory; {BY_SEND}",
    ),
    "uvicorn sees a held lock": (
        held(SIGKILL, server=UVICORN),
        Cause.TIMEOUT,
        f"was killed by uvicorn with SIGKILL, whose timeout is 5 s: {BY_RENDER}",
    ),
    "uvicorn does not see a blocked loop": (
        blocked(SIGKILL, server=UVICORN),
        Cause.SIGNAL,
        f"{OUTSIDE}; {BY_SEND}",
    ),
    "a server that never looks": (blocked(SIGKILL, server=Server()), Cause.SIGNAL, f"{OUTSIDE}; {BY_SEND}"),
    "no processor for it": (
        found(SIGABRT, silent=9.0, watched=True, stall=replace(SLEEPS, cause=Cause.STARVED, culprit="", flight=None)),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGABRT, whose timeout is 10 s: "
        "its event loop had been silent for 9.0 s, since the machine had no processor for it",
    ),
    "the last stall was over": (
        found(SIGKILL, stall=replace(SLEEPS, is_over=True)),
        Cause.SIGNAL,
        OUTSIDE,
    ),
    "blocked again, by somebody else": (
        found(SIGABRT, silent=9.0, watched=True, stall=replace(SLEEPS, is_over=True)),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGABRT, whose timeout is 10 s: "
        "its event loop had been silent for 9.0 s, and nobody could see why",
    ),
    "many short steps": (
        found(SIGKILL, silent=9.0, watched=True, stall=replace(SLEEPS, cause=Cause.SATURATED, culprit="", flight=None)),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGKILL, whose timeout is 10 s: "
        "its event loop had been busy for 9.0 s with many short steps",
    ),
    "it had stood still, and was watched again when it was killed": (
        found(SIGKILL, silent=9.0, watched=True, stall=replace(SLEEPS, cause=Cause.FROZEN), server=UVICORN),
        Cause.TIMEOUT,
        "was killed by uvicorn with SIGKILL, whose timeout is 5 s: "
        "no thread of it had run Python for most of 9.0 s, and why is not known",
    ),
    "its lock had been held, and was free when it was killed": (
        found(SIGKILL, silent=9.0, watched=True, stall=replace(SLEEPS, cause=Cause.HELD)),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGKILL, whose timeout is 10 s: the interpreter's lock had been held for most of "
        "9.0 s by send (mail.py:8) in time.sleep(60), for GET /mail",
    ),
    "blocked at first, and then nothing ran for longer": (
        unwatched(SLEEPS, for_seconds=6.0),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGKILL, whose timeout is 10 s: "
        "no thread of it had run Python for 6.0 s, and why is not known; before, its event loop had been blocked for "
        "3.0 s by send (mail.py:8) in time.sleep(60), for GET /mail",
    ),
    "starved at first, and then nothing ran for longer": (
        unwatched(replace(SLEEPS, cause=Cause.STARVED, culprit="", flight=None), for_seconds=6.0),
        Cause.TIMEOUT,
        "was killed by gunicorn with SIGKILL, whose timeout is 10 s: "
        "no thread of it had run Python for 6.0 s, and why is not known",
    ),
    "uvicorn is not impatient with who blocks and then stands still for less than its timeout": (
        unwatched(
            replace(SLEEPS, flight=None), for_seconds=6.0, silent=8.0, server=Server("uvicorn", 15.0, 0.0, "lock")
        ),
        Cause.SIGNAL,
        f"{OUTSIDE}; no thread of it had run Python for 6.0 s, and why is not known; before, its event loop had been "
        "blocked for 2.0 s by send (mail.py:8) in time.sleep(60)",
    ),
    "blocked, and the watching thread had its last turn a while ago": (
        unwatched(SLEEPS, for_seconds=3.0),
        Cause.TIMEOUT,
        f"was killed by gunicorn with SIGKILL, whose timeout is 10 s: {BY_SEND}",
    ),
    "stopped for too long": (
        found(SIGABRT, state=LifeState.STOPPING, since=DIED - 11.0),
        Cause.DRAIN,
        "was killed with SIGABRT 11.0 s after its stop had begun, since what was in flight had not ended (gunicorn: a "
        "graceful stop may take 30 s; a worker that stops sends no heartbeat, and its timeout is 10 s)",
    ),
    "stopped for too long, by uvicorn": (
        found(SIGKILL, state=LifeState.STOPPING, since=DIED - 30.0, server=UVICORN),
        Cause.DRAIN,
        "was killed with SIGKILL 30.0 s after its stop had begun, since what was in flight had not ended",
    ),
    "blocked while it stopped": (
        replace(
            found(SIGKILL, state=LifeState.STOPPING, since=DIED - 9.5, silent=9.0, watched=True, stall=SLEEPS),
        ),
        Cause.TIMEOUT,
        f"was killed by gunicorn with SIGKILL, whose timeout is 10 s: {BY_SEND}",
    ),
    "out of memory": (
        replace(found(SIGKILL), out_of_memory=True),
        Cause.MEMORY,
        "was killed by the kernel since memory had run out (SIGKILL, and the count of OOM kills has risen); it had "
        "210 MiB when it was last looked at",
    ),
    "a segmentation fault": (
        found(-signal.SIGSEGV, crash=SEGFAULT),
        Cause.CRASH,
        "was killed by SIGSEGV (Segmentation fault), in render (shop/report.py:5)",
    ),
    "a segmentation fault whose status nobody has kept": (
        found(None, crash=SEGFAULT),
        Cause.CRASH,
        "broke (Segmentation fault), in render (shop/report.py:5)",
    ),
    "a segmentation fault that has left no stack": (
        found(-signal.SIGSEGV),
        Cause.CRASH,
        "was killed by SIGSEGV, its last stack names no code of yours",
    ),
    "an abort of its own": (
        found(SIGABRT, crash=ABORTED),
        Cause.CRASH,
        "was killed by SIGABRT (Aborted), in render (shop/report.py:5)",
    ),
    "an abort that hit an idle loop": (
        found(SIGABRT, crash=f"Fatal Python error: Aborted\n\n{IDLE}"),
        Cause.SIGNAL,
        "was killed by SIGABRT from outside: not by outlast, and not for want of memory",
    ),
    "killed from outside": (found(SIGKILL), Cause.SIGNAL, OUTSIDE),
    "a signal that has no name": (
        found(-43),
        Cause.SIGNAL,
        "was killed by signal 43 from outside: not by outlast, and not for want of memory",
    ),
    "ended by outlast": (
        replace(found(SIGKILL), ended_by_us="its task did not stop when it was told"),
        Cause.STOPPED,
        "was ended by outlast: its task did not stop when it was told",
    ),
    "left by itself": (
        found(3),
        Cause.EXIT,
        "exited with status 3 in the middle of its work: something called os._exit()",
    ),
    "left by itself with 0": (
        found(0),
        Cause.EXIT,
        "exited with status 0 in the middle of its work: something called os._exit()",
    ),
    "left in its start-up": (
        found(1, state=LifeState.STARTING),
        Cause.START,
        "exited with status 1 in the middle of its start-up",
    ),
    "killed in its start-up": (
        found(SIGKILL, state=LifeState.STARTING),
        Cause.START,
        "was killed by SIGKILL in the middle of its start-up",
    ),
    "gone in its start-up": (found(state=LifeState.STARTING), Cause.START, "ended in the middle of its start-up"),
    "nothing is known": (found(), Cause.UNKNOWN, NOT_KNOWN),
    "nothing is known but that it was blocked": (
        blocked(None, server=Server()),
        Cause.UNKNOWN,
        f"{NOT_KNOWN}; {BY_SEND}",
    ),
    "the machine has started anew": (
        replace(found(), died_at=None, is_rebooted=True),
        Cause.UNKNOWN,
        "ended without a good-bye when its machine or container went down, which has started anew since",
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_sentence(case: str) -> None:
    evidence, cause, sentence = VERDICTS[case]
    incident = judge(evidence)
    cut = CUT if evidence.died_at else "; in flight: GET /orders (1.9 s: cut)"
    assert (incident.cause, incident.sentence) == (cause, f"web worker 7 {sentence}{cut}")
    assert (incident.kind, incident.process, incident.pid, incident.at) == (IncidentKind.DEATH, "web worker", 7, AT)


def test_every_cause_of_a_death_stands_in_the_table() -> None:
    of_stalls = {Cause.BLOCKED, Cause.HELD, Cause.SATURATED, Cause.STARVED, Cause.FROZEN}
    assert {cause for _, cause, _ in VERDICTS.values()} == set(Cause) - of_stalls


def test_the_first_cause_that_holds_is_the_one() -> None:
    """All at once, then one less each time."""
    everything = replace(
        found(None, silent=9.0, state=LifeState.STOPPING, since=DIED - 9.0, crash=SEGFAULT),
        ended_by_us="it had to stop",
        out_of_memory=True,
    )
    order = [everything]
    order.append(replace(order[-1], ended_by_us=""))
    order.append(replace(order[-1], out_of_memory=False))
    order.append(replace(order[-1], remains=replace(everything.remains, crash=NO_CRASH)))
    order.append(replace(order[-1], died_at=DIED - 8.9))
    steps = [Cause.STOPPED, Cause.MEMORY, Cause.CRASH, Cause.TIMEOUT, Cause.DRAIN]
    assert [judge(one).cause for one in order] == steps


@pytest.mark.parametrize("status", [-signal.SIGTERM, 0, 3])
def test_a_count_of_oom_kills_that_has_risen_explains_sigkill_alone(status: int) -> None:
    assert judge(replace(found(status), out_of_memory=True)).cause is not Cause.MEMORY


@pytest.mark.parametrize("status", [0, 3, -signal.SIGTERM])
def test_a_stop_that_ends_by_itself_was_not_cut(status: int) -> None:
    assert judge(found(status, state=LifeState.STOPPING)).cause in (Cause.EXIT, Cause.SIGNAL)


def test_a_loop_that_rests_is_not_one_that_was_blocked() -> None:
    resting = found(SIGKILL, silent=600.0, state=LifeState.RESTING, server=Server())
    assert judge(resting).sentence == f"web worker 7 {OUTSIDE}{CUT}"
    stopped_from_rest = found(SIGKILL, silent=600.0, state=LifeState.STOPPING, since=DIED - 0.2, server=Server())
    assert "lock" not in judge(stopped_from_rest).sentence
    assert "run Python" not in judge(stopped_from_rest).sentence
    just_woken = found(SIGKILL, silent=600.0, since=DIED - 0.2, server=Server())
    assert judge(just_woken).sentence == f"web worker 7 {OUTSIDE}{CUT}"


def test_a_stack_that_was_written_before_the_last_beat_accuses_nobody() -> None:
    """The process was asked once, went on, and stood still much later."""
    evidence = held(SIGKILL)
    crash = Crash.read(DUMP, AT - 60.0)
    long_ago = replace(evidence, remains=replace(evidence.remains, crash=crash))
    assert judge(long_ago).culprit == ""
    assert "no thread of it had run Python for 9.0 s, and why is not known" in judge(long_ago).sentence


def test_seconds_culprit_and_stack_are_told_apart_from_the_sentence() -> None:
    timeout, crash, killed = judge(blocked(SIGKILL)), judge(found(-11, crash=SEGFAULT)), judge(found(SIGKILL))
    assert (timeout.seconds, timeout.culprit, timeout.stack) == (9.0, "send (mail.py:8)", "the stack of the sleep")
    assert (crash.seconds, crash.culprit, crash.stack) == (0.0, "render (shop/report.py:5)", SEGFAULT)
    assert (killed.seconds, killed.culprit, killed.stack) == (0.0, "", "")


def flying(*in_flight: InFlight, kind: str = "web worker", fates: dict[int, str] | None = None) -> str:
    """What is said of them."""
    evidence = found(SIGKILL)
    remains = replace(evidence.remains, owner=replace(OWNER, kind=kind), in_flight=in_flight)
    incident = judge(replace(evidence, remains=remains, fates=fates or {}))
    assert len(incident.flights) == len(in_flight)
    return incident.sentence.removeprefix(f"{kind} 7 {OUTSIDE}; ")


def test_what_was_in_flight_and_what_becomes_of_it() -> None:
    assert flying() == "nothing was in flight"
    assert flying(OTHER, TASK, REQUEST) == (
        "in flight: task 0000000000003 main:send (9.0 s: cut, not run again: lane inline); GET /orders (2.0 s: cut); "
        "task 0000000000004 main:other (1.0 s: cut, not run again: lane inline)"
    )
    fates = {3: "failed: it has crashed 2 times", 4: "runs again, not counted against it"}
    assert flying(TASK, OTHER, kind="task process", fates=fates) == (
        "in flight: task 0000000000003 main:send (9.0 s: failed: it has crashed 2 times); "
        "task 0000000000004 main:other (1.0 s: runs again, not counted against it)"
    )
    assert flying(TASK, kind="task process") == "in flight: task 0000000000003 main:send (9.0 s: cut)"


def test_a_stop_with_nothing_in_flight_was_not_held_up_by_that() -> None:
    late = found(SIGKILL, state=LifeState.STOPPING, since=DIED - 30.0, server=UVICORN)
    idle = judge(replace(late, remains=replace(late.remains, in_flight=())))
    assert idle.sentence == (
        "web worker 7 was killed with SIGKILL 30.0 s after its stop had begun, which had not ended; "
        "nothing was in flight"
    )


def test_eight_are_named_the_others_are_counted() -> None:
    many = [InFlight(f"GET /{number}", 0, "", DIED - 20.0 + number) for number in range(20)]
    assert flying(*many[:8]).count("GET /") == 8
    said = flying(*many)
    assert said.startswith("in flight: GET /0 (20.0 s: cut); GET /1 (19.0 s: cut)")
    assert said.endswith("GET /7 (13.0 s: cut); and 12 more")
