"""The runner: moves tasks between the journal and the children. It imports no user code, so nothing can block it."""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable, Sequence

from outlast import endings, events
from outlast.engines.contract import ProcessEntry, Retention
from outlast.engines.sqlite import SqliteJournal
from outlast.errors import JournalBusy, JournalUnusable, StoreFailed, TaskRefused
from outlast.frames import Message
from outlast.hello import VERSION, Hello
from outlast.liveness import Liveness
from outlast.outcome import Happening, outcome
from outlast.place import Place
from outlast.runner import ends, ledger, recovery
from outlast.runner.channel import as_outputs, close
from outlast.runner.claims import MOST_AT_ONCE, Claims, Taken
from outlast.runner.clock import PatientClock
from outlast.runner.deaths import Deaths
from outlast.runner.ledger import Ended, Entry, Known, Ledger, WebGone
from outlast.runner.parking import Parking
from outlast.runner.pokes import Pokes
from outlast.runner.pool import Pool
from outlast.runner.pools import Pools
from outlast.runner.refusal import PATIENCE, Refusal
from outlast.runner.roll_call import RollCall
from outlast.runner.signals import StopSignals
from outlast.runner.stay import Situation, Stay, decide
from outlast.runner.voice import Voice
from outlast.runner.webs import Webs
from outlast.settings import Settings
from outlast.tasks import FINISHED, Claimed, State

log = logging.getLogger("outlast")
LINGER = 0.003  # seconds between transactions while work is outstanding: more ends share one fsync (measured)
LINGER_IN_LINE = 5  # times as long as one took, while short tasks are behind others: during one none of them begins
LONGEST_LINGER = 0.03  # seconds
POLL = 1.0  # seconds between looks at the journal for tasks nobody woke us for
ATTENTIVE = 0.05  # seconds between looks while something is about to change
WATCHFUL = 0.25  # seconds between looks for children that have fallen silent
PRUNE_EVERY = 30.0  # seconds between looks for tasks that are past keeping
PRUNE_AGAIN = 0.05  # seconds between slices while there are some
LAST_WORDS = 0.5  # seconds in which a runner that leaves tries to write that it has left


class Runner:
    """One per journal and machine. `stands_by` keeps it when no web worker is connected (`outlast worker`)."""

    def __init__(self, place: Place, liveness: Liveness, voice: Voice, standing: Hello | None = None) -> None:
        self._place = place
        self._voice = voice
        self._liveness = liveness
        self._standing = standing
        self._settings = standing.environment.settings if standing and standing.environment else Settings()
        url = f"sqlite:///{place.journal}"
        self._journal = SqliteJournal(url, patience=PATIENCE, checkpoints=True, is_shared=place.is_shared)
        self._selector = selectors.DefaultSelector()
        self._me = 0
        self._file: object = None
        self._clock = PatientClock()
        self._ledger = Ledger()
        self._deaths = Deaths(place)
        self._roll_call = RollCall(self._journal, liveness)
        self._pokes = Pokes(place, self._send_signal)
        self._next_look = self._last_write = self._next_try = 0.0
        self._next_prune = self._next_count = 0.0
        self._line_pause = LINGER
        self._surplus = 0  # the newest of the done tasks that are too many
        self._refusal = Refusal()
        self._stop_signals = StopSignals(self._selector)
        self._is_outdated = False
        self._alone_since: float | None = None
        self._stay = Stay.SERVE
        self._is_mute = False  # whether it has let go of the last server's stderr

    def run(self) -> None:
        """Until the last web worker has gone and what ran has ended, or signals say stop."""
        try:
            if self._prepare():
                self._serve()
        finally:
            self._deaths.close()
            self._journal.close()
            self._stop_signals.close()

    def _serve(self) -> None:
        try:
            while self._stay is not Stay.LEAVE:
                self._attend(self._patience())
                self._turn(time.monotonic())
        finally:
            self._pools.end_all("its runner was stopped")
            self._leave()

    def _attend(self, patience: float) -> None:
        """Let everyone speak who has something to say; wait `patience` seconds for someone."""
        for key, _ in self._selector.select(patience):
            key.data()

    def _prepare(self) -> bool:
        """Take the place of the last runner. False: it was told to stop before it could."""
        if not self._is_done(self._give_way):
            return False
        asked = (self._woken, self._asked_to_look, self._counted)
        self._webs = Webs(self._place, self._selector, self._greeted, *asked)
        self._pools = Pools(self._new_pool)
        self._claims = Claims(self._journal, self._pools)
        self._parking = Parking(self._journal, self._pools)
        if not all(map(self._is_done, (self._end_children_of_the_last, self._arrive, self._take_over))):
            self._webs.close()
            return False
        log.info("%s", events.runner_started(os.getpid(), self._place.journal))
        if self._standing and self._standing.environment:
            self._pools.welcome(self._standing.deployment, self._standing.environment, (os.dup(1), os.dup(2)))
        return True

    def _new_pool(self) -> Pool:
        pool = Pool(self._place, self._selector, self._ledger, self._enter_child, self._ended, self._woken)
        pool.setbacks.is_final = self._standing is not None
        return pool

    def _is_done(self, step: Callable[[], None]) -> bool:
        """Take a step as soon as nobody else is writing; False if it was told to stop before."""
        while not self._stop_signals.count:
            try:
                step()
            except JournalBusy as error:
                self._refused(error)
                self._attend(self._next_try - time.monotonic())
            else:
                return True
        return False

    def _give_way(self) -> None:
        recovery.give_way(self._journal, self._place)

    def _end_children_of_the_last(self) -> None:
        recovery.end_children_of_the_last(self._journal, self._liveness, self._place)

    def _arrive(self) -> None:
        self._me = self._enter("runner", os.getpid())
        self._file = self._journal.file
        self._liveness.hold(self._me)

    def _take_over(self) -> None:
        count = recovery.take_over(self._journal, self._liveness, self._me)
        if count:
            log.warning("%s", events.handed_back(count))

    def _turn(self, now: float) -> None:
        self._stay_or_go(now)
        self._pools.enforce(now)
        self._pokes.look(now)
        self._webs.keep(now)
        self._find_lost(now)
        if now >= self._next_look or self._webs.may_have_died(now):
            self._look_around(now)
        if self._stay is Stay.SERVE:
            self._keep_staff(now)
        if now >= self._next_try and self._has_something_to_write(now):
            self._linger()
            self._write(time.monotonic())
        if self._webs.has_waiting and (not self._webs.is_empty or not (self._pools.running or self._ledger.has_ends)):
            self._webs.let_go()

    def _find_lost(self, now: float) -> None:
        """A deployment whose web workers have gone may have others, which had nothing to say to a runner yet."""
        may_be_lost = not self._standing and not self._deaths.sees_others_than(self._webs.pids)
        if may_be_lost and self._pools.find_lost(self._webs.deployments, self._settings, now):
            self._parking.stir()

    def _stay_or_go(self, now: float) -> None:
        """Serve while anyone is there to serve; let finish what runs, then leave, when not."""
        before, self._stay = self._stay, decide(self._situation(now), self._settings)
        if before is Stay.SERVE and self._stay is not Stay.SERVE:
            if self._pools.running:
                told = self._stop_signals.count > 0
                log.info("%s", events.runner_drains(self._pools.running, self._settings.drain, told=told))
            self._pools.forget_environments()
        if self._stay is Stay.CUT:
            self._pools.let_go(self._too_long)
        if self._stay is not Stay.LINGER:
            self._is_mute = False
        elif not (self._is_mute or self._voice.is_waiting or self._deaths.is_busy or self._webs.may_be_mourned(now)):
            self._is_mute = self._voice.move(os.devnull)

    @property
    def _too_long(self) -> str:
        """Why what still runs at the end of a drain is cut."""
        return endings.drain_is_over(self._settings.drain, told=self._stop_signals.count > 0)

    def _situation(self, now: float) -> Situation:
        is_wanted = not self._stop_signals.count and (self._standing or self._has_someone_to_serve)
        self._alone_since = None if is_wanted else self._alone_since or now
        alone = None if self._alone_since is None else now - self._alone_since
        would_be_replaced = not (self._standing or self._is_outdated or self._webs.is_empty)
        has_children, has_unwritten = bool(self._pools.children), self._ledger.has_ends
        return Situation(alone, self._stop_signals.count, has_children, has_unwritten, would_be_replaced)

    @property
    def _has_someone_to_serve(self) -> bool:
        """Also a web worker that has had no task yet: the next one may be its, and its death is worth a word."""
        return not self._webs.is_empty or (self._pools.has_environment and self._deaths.sees_a_server)

    def _patience(self) -> float:
        """How long to wait for something to happen."""
        if self._ledger:
            return max(0.0, self._next_try - time.monotonic())
        now = time.monotonic()
        if self._stay is Stay.SERVE and self._pools.is_restless:
            return 0.0
        if self._webs.may_have_died(now) or self._stay is not Stay.SERVE or self._pools.attentive:
            return ATTENTIVE
        if now >= self._next_try and self._claims.have_room(now):
            return 0.0
        next_prune = max(self._next_prune, self._next_try)
        return min(WATCHFUL if self._pools.running else POLL, max(0.0, next_prune - now))

    def _has_something_to_write(self, now: float) -> bool:
        if self._ledger or self._journal.file != self._file:
            return True
        if self._stay is not Stay.SERVE:
            return False
        return now >= self._next_prune or self._claims.have_room(now)

    def _look_around(self, now: float) -> None:
        """See who has died, and which task is due that nobody woke us for: its time has come, a hand put it there."""
        self._next_look = now + POLL
        self._pools.watch_memory(now)
        self._ledger.add_incidents(self._deaths.look(now))
        self._pools.reap_strays()
        try:
            self._claims.look(now)
            for process in self._roll_call.hold(self._webs.processes, now):  # after what is due: it knows whose that is
                self._ledger.add_once(WebGone(process))
            self._pools.others_may_come = self._roll_call.expects_others(now)
            self._parking.look(now)
            self._pools.cancel(self._journal.cancels_of(self._me), now)
            self._count(now)
        except (StoreFailed, JournalUnusable) as error:
            self._refused(error)

    def _count(self, now: float) -> None:
        """See which of the done tasks are too many, outside of any transaction: that takes milliseconds."""
        if self._stay is Stay.SERVE and now >= self._next_count:
            self._next_count = now + PRUNE_EVERY
            self._surplus = self._journal.surplus(self._settings.keep_done_count)

    def _keep_staff(self, now: float) -> None:
        try:
            if now >= self._next_try:
                self._claims.make_sure_of_alone()
        except (StoreFailed, JournalUnusable) as error:
            self._refused(error)
        self._pools.keep(now, self._claims.open_lanes(now))

    def _linger(self) -> None:
        """While work is outstanding, let more ends come in before the next fsync."""
        while (now := time.monotonic()) < self._last_write + self._line_pause and self._pools.is_moving(now):
            self._attend(self._last_write + self._line_pause - now)
        pause = self._last_write + LINGER - time.monotonic()
        if pause > 0 and self._pools.running:
            time.sleep(pause)
            self._attend(0)

    def _write(self, now: float) -> None:
        """One transaction: what has ended, who has died, and the next attempts."""
        page = self._ledger.page
        try:
            with self._journal.transaction():
                taken_along = self._introduce()
                ledger.write(page, self._journal)
                if any(isinstance(one, WebGone | Known) for one in page):  # they leave tasks behind, or find some
                    self._claims.expect()
                taken = self._claims.take(self._me, now) if self._stay is Stay.SERVE else Taken()
                self._prune(now)
        except TaskRefused as error:
            self._write_apart(page, error)
            return
        except (StoreFailed, JournalUnusable) as error:
            self._refused(error)
            return
        self._ledger.strike(page)
        if ledger.parks(page):
            self._parking.stir()
        self._last_write, self._file = now, self._journal.file
        self._line_pause = min(LONGEST_LINGER, max(LINGER, LINGER_IN_LINE * (time.monotonic() - now)))
        self._refusal.end()
        if taken_along:
            log.warning("%s", events.taken_along(taken_along))
        for pool, claims in taken.shared:
            pool.hand_over(claims, now)
        for pool, company in taken.apart:
            pool.set_apart(company, now)

    def _write_apart(self, page: Sequence[Entry], error: TaskRefused) -> None:
        """Something is nothing for a journal. If it is none of what is in memory, there is nothing to be set aside."""
        if not page:
            self._refused(error)
            return
        try:
            ledger.write_apart(page, self._journal, self._ledger)
        except (StoreFailed, JournalUnusable) as failure:
            self._refused(failure)

    def _introduce(self) -> int:
        """Another journal has come to the path: it may know neither us nor what we have in hand."""
        if self._journal.file == self._file:
            return 0
        children = [(child.id, child.pid) for child in self._pools.children]
        return recovery.introduce(self._journal, self._me, children, [*self._ledger.ended, *self._pools.in_hand])

    def _prune(self, now: float) -> None:
        """Forget what is past keeping, a little at a time. Who serves nobody was not told what is to be kept."""
        if self._stay is Stay.SERVE and now >= self._next_prune:
            keep = Retention(self._settings.keep_done, self._settings.keep_done_count, self._settings.keep_failed)
            gone = self._journal.prune(keep, MOST_AT_ONCE, self._clock.now(), self._surplus)
            self._next_prune = now + (PRUNE_AGAIN if gone else PRUNE_EVERY)

    def _send_signal(self, pid: int, number: int) -> bool:
        return self._pools.send_signal(pid, number) or self._deaths.send(pid, number)

    def _refused(self, error: Exception) -> None:
        """The journal does not take it: keep everything in memory and try again."""
        self._next_try = self._refusal.next_try(error, self._ledger.counted())

    def _ended(self, attempt: Claimed, happening: Happening) -> bool:
        """Whether its task has ended for good."""
        settlement = outcome(happening, attempt, self._settings.max_crashes)
        self._ledger.add(Ended(settlement, attempt))
        ends.tell(attempt, settlement, happening)
        if settlement.state is State.WAITING:
            self._claims.expect_again(attempt)
        self._claims.expect()
        return settlement.state in FINISHED

    def _woken(self) -> None:
        self._claims.expect()

    def _asked_to_look(self) -> None:
        """Somebody has cancelled a task that runs."""
        self._next_look = 0.0

    def _counted(self) -> Message:
        """What has not been written, what has come back from a process, and why no process can start."""
        return {"runner": self._ledger.counted(), **self._pools.told}

    def _greeted(self, hello: Hello, pid: int, outputs: list[int]) -> None:
        """Somebody is there. A server's environment is that of its tasks; a script's only while there is no server.

        One of another outlast needs another runner: leave for it.
        """
        self._deaths.expect(pid)
        self._parking.stir()
        if hello.environment is None:
            log.warning("%s", events.runner_leaves(f"a web worker has outlast {hello.version}, this is {VERSION}"))
            self._stop_signals.give()
            self._is_outdated = True
            close(outputs)
        elif not self._standing and (hello.serves or not self._pools.has_app_of(hello.deployment)):
            self._settings = hello.environment.settings
            self._voice.follow(hello.environment.lines)
            self._voice.move(outputs[-1] if outputs else os.devnull)
            self._pools.welcome(hello.deployment, hello.environment, as_outputs(outputs))
        else:
            close(outputs)
            self._pools.check_code()
        self._pools.learn_names(hello.deployment)
        self._claims.expect()
        self._next_look = 0.0

    def _enter_child(self, pid: int) -> int:
        return self._enter("child", pid)

    def _enter(self, kind: str, pid: int) -> int:
        with self._journal.transaction():
            return self._journal.enter(ProcessEntry(kind, pid, recovery.MACHINE, time.time()))

    def _leave(self) -> None:
        try:
            deadline = time.monotonic() + LAST_WORDS
            while not self._says_good_bye() and self._stop_signals.count < 2 and time.monotonic() < deadline:
                self._attend(ATTENTIVE)
        finally:
            self._webs.close()

    def _says_good_bye(self) -> bool:
        """What cannot be written counts as cut at the next start."""
        self._write(time.monotonic())
        try:
            with self._journal.transaction():
                self._journal.leave(self._me, "left", time.time())
        except JournalBusy:
            return False
        return True
