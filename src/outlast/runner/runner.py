"""The runner: moves tasks between the journal and the children. It imports no user code, so nothing can block it."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

from outlast.errors import JournalBusy, JournalUnusable, StoreFailed
from outlast.journal.turn import RunnersJournal
from outlast.runner.claims import Claims
from outlast.runner.dump_requests import DumpRequests
from outlast.runner.hearing import Hearing
from outlast.runner.ledger import Ledger
from outlast.runner.lifecycle import Phase, Tenure
from outlast.runner.pace import ATTENTIVE, Pace
from outlast.runner.parking import Parking
from outlast.runner.pen import LINGER, Pen
from outlast.runner.policy import Policy
from outlast.runner.pools import Pools
from outlast.runner.presence import Presence
from outlast.runner.pruning import Pruning
from outlast.runner.reception import Reception
from outlast.runner.recovery import Recovery
from outlast.runner.rounds import RollCall, Rounds
from outlast.runner.signals import StopSignals
from outlast.runner.starter import Enrolment
from outlast.runner.voice import Voice
from outlast.runner.web_deaths import WebDeaths
from outlast.runner.web_workers import Request, WebWorkers
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.wire.channel import Attended
from outlast.wire.hello import Hello

LAST_WORDS = 0.5  # seconds in which a runner that leaves tries to write that it has left


class Runner:
    """One per journal and machine. `standing` keeps it when no web worker is connected (`outlast worker`)."""

    def __init__(
        self, journal: RunnersJournal, place: Place, liveness: Liveness, voice: Voice, standing: Hello | None = None
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._stop_signals = StopSignals(self._selector)
        presence = Presence(journal, liveness)
        policy, web_workers, deaths = Policy(), WebWorkers(place, self._selector), WebDeaths(place)
        ledger = Ledger(policy)
        self._recovery = Recovery(journal, place, liveness, presence, ledger)
        enrolment = Enrolment(place, self._selector, presence)
        self._pools = Pools(enrolment, ledger, is_final=standing is not None)
        self._claims = Claims(journal, self._pools, ledger)
        self._parking = Parking(journal, self._pools)
        self._hearing = Hearing(ledger)
        self._reception = Reception(web_workers, deaths, self._pools, policy, voice, standing)
        self._tenure = Tenure(policy, self._pools, ledger, self._reception, self._stop_signals)
        self._pen = Pen(journal, ledger, presence, self._pools, Pruning(journal, policy))
        dump_requests = DumpRequests(place, self._pools, deaths.exits)
        self._rounds = Rounds(journal, presence, RollCall(journal, liveness), ledger, self._pools, dump_requests)
        self._pace = Pace(self._tenure, web_workers, self._pools, self._claims, self._pen)

    def run(self) -> None:
        """Until the last web worker has gone and what ran has ended, or signals say stop."""
        try:
            if self._prepare():
                self._serve()
        finally:
            self._reception.close()
            self._stop_signals.close()

    def _prepare(self) -> bool:
        """Take the place of the last runner. False: it was told to stop before it could."""
        last = self._recovery
        steps = last.give_way, last.end_children_of_the_last, last.presence.arrive, last.take_over
        if not all(map(self._is_done, steps)):
            return False
        self._reception.greet_standing()
        return True

    def _is_done(self, step: Callable[[], None]) -> bool:
        """Take a step as soon as nobody else is writing; False if it was told to stop before."""
        while not self._stop_signals.count:
            try:
                step()
            except JournalBusy as error:
                self._pen.refused(error)
                self._attend(self._pen.next_try - time.monotonic())
            else:
                return True
        return False

    def _serve(self) -> None:
        try:
            while self._tenure.phase is not Phase.LEAVE:
                self._attend(self._pace.patience(time.monotonic()))
                self._turn(time.monotonic())
        finally:
            self._hearing.end_all(self._pools.all, "its runner was stopped")
            self._leave()

    def _turn(self, now: float) -> None:
        self._hear(now)
        self._enforce(now)
        self._look_around(now)
        self._keep(now)
        if self._pace.has_something_to_write(now):
            self._linger()
            self._write(time.monotonic())
        self._let_go(now)

    def _attend(self, patience: float) -> None:
        """Take in what anybody has to say; wait `patience` seconds for someone."""
        for key, _ in self._selector.select(patience):
            ready: Attended = key.data
            ready.attend()

    def _hear(self, now: float) -> None:
        """What web workers want, what task processes report, and who of these has ended."""
        for caller, word in self._reception.web_workers.heard(now):
            match word:
                case Request.WAKE:
                    self._claims.expect()
                case Request.LOOK:
                    self._rounds.hurry()
                case Request.ASK:
                    counted = {"runner": self._pen.ledger.counted(), **self._pools.told}
                    self._reception.web_workers.answer(caller, counted)
                case Hello():
                    self._reception.greet(caller, word, now)
                    self._parking.stir()
                    self._claims.expect()
                    self._rounds.hurry()
        self._hearing.hear(self._pools.all, now)

    def _enforce(self, now: float) -> None:
        """What has to stop, in the processes and in this one."""
        if self._reception.is_outdated:
            self._stop_signals.give()
        self._tenure.stay_or_go(now)
        for pool in self._pools.all:
            pool.enforce(now)

    def _look_around(self, now: float) -> None:
        """See what nobody tells."""
        self._rounds.dump_requests.look(now)
        self._reception.web_workers.listener.keep(now)
        if self._reception.find_lost(now):
            self._parking.stir()
        is_tick = self._tenure.serves and self._claims.timetable.is_due(now)
        if not (is_tick or self._rounds.are_due(now) or self._reception.web_workers.may_have_died(now)):
            return
        self._rounds.look_at_processes(self._reception.deaths, now)
        try:
            self._rounds.look_into_journal(self._reception.web_workers, self._claims, self._parking, now)
            if self._tenure.serves:
                self._pen.pruning.count(now)
                self._claims.timetable.look(now)
        except (StoreFailed, JournalUnusable) as error:
            self._pen.refused(error)

    def _keep(self, now: float) -> None:
        """As many task processes as are needed."""
        self._claims.take_note()
        if self._tenure.serves:
            try:
                if now >= self._pen.next_try:
                    self._claims.make_sure_of_alone()
            except (StoreFailed, JournalUnusable) as error:
                self._pen.refused(error)
            self._pools.keep(now, self._claims.open_lanes(now))

    def _let_go(self, now: float) -> None:
        """Of web workers that wait until no task runs any more, or need not, since others are there."""
        web_workers, is_busy = self._reception.web_workers, self._pools.running or self._pen.ledger.has_ends
        if web_workers.has_waiting and (web_workers.connected or not is_busy):
            web_workers.let_go(now)

    def _linger(self) -> None:
        """While work is outstanding, let more ends come in before the next fsync."""
        while patience := self._pace.linger(time.monotonic()):
            self._attend(patience)
            self._hear(time.monotonic())
        pause = self._pen.written_at + LINGER - time.monotonic()
        if pause > 0 and self._pools.running:
            time.sleep(pause)
            self._attend(0)
            self._hear(time.monotonic())
        self._claims.take_note()

    def _write(self, now: float) -> None:
        self._pen.write(self._claims, self._parking, now, serves=self._tenure.serves)

    def _leave(self) -> None:
        """What cannot be written counts as cut at the next start."""
        deadline = time.monotonic() + LAST_WORDS
        while True:
            self._write(time.monotonic())
            if self._recovery.presence.leave() or self._stop_signals.count > 1 or time.monotonic() > deadline:
                return
            self._attend(ATTENTIVE)
