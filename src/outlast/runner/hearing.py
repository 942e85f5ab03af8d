"""What becomes of what task processes report, and of those that have ended: all of it is decided here."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Sequence

from outlast.events import hindrances, stalls, words
from outlast.journal.turn import Gone, Known, Learned, Reached
from outlast.runner import deadlines, reports
from outlast.runner.child_deaths import death_of, how_it_ended, incidents_of, verdicts
from outlast.runner.children import Child, ChildStall
from outlast.runner.ledger import Ledger
from outlast.runner.pool import Pool
from outlast.runner.reports import Report
from outlast.runner.scaling import Role
from outlast.tasks.outcome import Cut, Happening, Raised, Returned, Unknown, Wished
from outlast.watch.incident import Cause

REST = 1.0  # seconds without new work for a child that could not begin what it was given


class Hearing:
    """Has it written in `ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def hear(self, pools: Iterable[Pool], now: float) -> None:
        """All that their children have to say, and who of them has ended."""
        for pool in pools:
            for child in list(pool.crew.children):
                self._listen(pool, child, now)
                if child.process.has_ended:
                    self._bury(pool, child, now)
            pool.pass_on(now)

    def end_all(self, pools: Iterable[Pool], why: str) -> None:
        """End every child now; what runs in them is cut and nobody is to blame."""
        for pool in pools:
            pool.kill(why)
            for child in list(pool.crew.children):
                self._bury(pool, child, time.monotonic())

    def _bury(self, pool: Pool, child: Child, now: float) -> None:
        """A child has ended, or is ended now."""
        pool.crew.children.remove(child)
        status, last_words = child.process.reap()
        self._listen(pool, child, now)  # it may have said more in the end
        child.work.untold.tell()
        death = death_of(child, status, last_words)
        how = how_it_ended(child, death)
        self._ledger.add(Gone(child.id, how))
        attempts = [one.attempt for one in child.give_up(list(child.work.running), now)]
        happenings = verdicts(child, attempts, how, death)
        if child.start.is_going_on and not child.parting.is_draining:
            why = child.start.broken_because
            was_killed = status == -signal.SIGKILL and not (why or child.parting.killed or last_words)
            pool.crew.setbacks.met(why or f"a new task process {how}", was_killed=was_killed)
        else:
            self._ledger.add_incidents(incidents_of(child, death, happenings))
        for attempt in attempts:
            pool.dispatch.end(attempt, happenings[attempt.id])
        self._ledger.may_wait = True

    def _listen(self, pool: Pool, child: Child, now: float) -> None:
        for report in child.heard(now):
            self._take(pool, child, report)

    def _take(self, pool: Pool, child: Child, report: Report) -> None:
        match report:
            case reports.Ended() | reports.Steered() | reports.Told():
                self._of_an_end(pool, child, report)
            case reports.Milestones(reached):
                self._reached(child, reached)
            case reports.Cut() | reports.GivenBack() | reports.Unknown():
                self._not_its_own(pool, child, report)
            case reports.Known(answers):
                for group in child.inquiry.news_of(answers):
                    self._ledger.add_once(Known(group, child.inquiry.at))
            case reports.Blocked():
                self._blocked(pool, child, report)
            case reports.Free():
                self._free_again(child, report)
            case reports.Notice.STALE:
                pool.crew.starter.code_has_changed()
                child.drain()
            case reports.Notice.SPOILED:
                child.drain()
            case reports.Notice.WAKE:
                self._ledger.may_wait = True
            case _:
                self._of_its_start(pool, child, report)

    def _of_its_start(self, pool: Pool, child: Child, report: Report) -> None:
        match report:
            case reports.Stands(at):
                child.start.stood(at, child.heard_at)
            case reports.Broken(why):
                child.start.broken_because = why
            case reports.Imported(remarks):
                pool.remarks.tell(*map(hindrances.Doubt, remarks))
                child.imported()
                pool.crew.starter.has_imported(child)
                pool.crew.setbacks.has_imported()
            case reports.Ready(remarks):
                pool.remarks.tell(*map(hindrances.Doubt, remarks))
                child.ready()
                pool.crew.setbacks.over()
                self._ledger.may_wait = True

    def _of_an_end(self, pool: Pool, child: Child, report: reports.Ended | reports.Steered | reports.Told) -> None:
        match report:
            case reports.Ended(ends):
                self._ended(pool, child, ends)
            case reports.Steered(task, wished):
                self._ended(pool, child, [(task, wished)])
            case reports.Told(task):
                child.work.untold.strike(task, is_running=task in child.work.running)

    def _reached(self, child: Child, reached: Iterable[Reached]) -> None:
        """What is said of an attempt that this child does not have says nothing."""
        for one in reached:
            running = child.work.running.get(one.task_id)
            if running is not None and running.attempt.attempt == one.attempt:
                self._ledger.reach(one)

    def _ended(self, pool: Pool, child: Child, ends: Sequence[tuple[int, Returned | Raised | Wished]]) -> None:
        """An attempt that this child does not have is not its to end. What stopping made it raise is no error of it."""
        said = dict(ends)
        for one in child.give_up(said, child.heard_at):
            end = said[one.id]
            stopped = one.stop.heeded(traceback=end.traceback) if one.stop and isinstance(end, Raised) else None
            if isinstance(end, Raised):
                child.work.untold.add(one.attempt, end)
            if stopped:  # that is said here
                child.work.untold.strike(one.id, is_running=False)
            pool.dispatch.end(one.attempt, stopped or end)

    def _not_its_own(self, pool: Pool, child: Child, report: reports.Cut | reports.GivenBack | reports.Unknown) -> None:
        """An attempt has ended, or could not begin, by what is neither its own nor was ordered."""
        if isinstance(report, reports.GivenBack):
            child.rests_until = child.heard_at + REST
        for one in child.give_up([report.task_id], child.heard_at):
            pool.dispatch.end(one.attempt, one.stop.heeded() if one.stop else _came_over_it(child.pid, report))

    def _blocked(self, pool: Pool, child: Child, report: reports.Blocked) -> None:
        stall = child.stall = child.stall or ChildStall(child.heard_at - report.seconds)
        stall.task_id = report.task_id
        if child.role is Role.SHARED and stall.said in (None, Cause.STARVED) and stall.said is not report.cause:
            stall.said = report.cause
            busy = [task for task in child.work.running if task not in set(report.unstarted)]
            what = stalls.of_task_process(report.sentence, busy)
            _tell_blocked(child, what, report.cause, report.seconds, report.function)
        if report.function and report.seconds >= 2 * stall.learned:
            stall.learned = report.seconds  # it is reported a few times a second, and to write it each time is no use
            pool.dispatch.learn(Learned(report.function, report.code, report.seconds))
        pool.dispatch.queue.ready += [one.attempt for one in child.give_up(report.unstarted, child.heard_at)]

    def _free_again(self, child: Child, report: reports.Free) -> None:
        if child.role is Role.SHARED:
            over = report.incident
            _tell_blocked(child, over.sentence, over.cause, over.seconds, over.culprit)
            self._ledger.add_incidents([report.incident])
        if child.stall is not None:
            deadlines.extend(child, child.stall.task_id, report.seconds)
            child.stall = None
            self._ledger.may_wait = True


def _tell_blocked(child: Child, what: str, cause: Cause, seconds: float, culprit: str) -> None:
    event = stalls.LoopBlocked(what, words.TASK_PROCESS, child.pid, cause, seconds, culprit)
    event.tell(level=stalls.level_of(cause))


def _came_over_it(pid: int, report: reports.Cut | reports.GivenBack | reports.Unknown) -> Happening:
    """What has happened to an attempt in process `pid`, which says so."""
    match report:
        case reports.Unknown(_, why, traceback):
            return Unknown(why, traceback)
        case reports.GivenBack(_, why):
            return Cut(hindrances.no_thread_for_it(pid, why))
        case reports.Cut(_, why):
            return Cut(why)
