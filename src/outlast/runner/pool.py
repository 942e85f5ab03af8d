"""The children of a runner: how many there are, which of them take work, and what they report."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import astuple, replace

from outlast import endings, events
from outlast.deployments import Home
from outlast.errors import JournalBusy, OutlastError
from outlast.frames import Message
from outlast.hello import Environment
from outlast.incidents import Cause, Incident
from outlast.outcome import Cut, Happening, Stopped, Unbegun, Why, fate_of
from outlast.place import Place
from outlast.runner import ends, limits
from outlast.runner.channel import close
from outlast.runner.child_deaths import how_it_ended, is_planned, verdicts, why_ended
from outlast.runner.children import Child, Generation, ended_by_itself, not_its_own
from outlast.runner.ledger import Began, ChildGone, Known, Learned, Ledger
from outlast.runner.queue import Queue
from outlast.runner.remarks import Remarks
from outlast.runner.roster import counts, in_role, spares, surplus
from outlast.runner.setbacks import Setbacks
from outlast.runner.staff import Counts, Limits, Move, Role, Staff, next_move
from outlast.runner.starter import Handlers, Starter
from outlast.tasks import Claimed, Lane
from outlast.text import MOST_REASON, MOST_TRACEBACK, clean, one_line
from outlast.watch.autopsy import Witnessed, incident_of
from outlast.watch.memory import OomKills, resident_bytes

log = logging.getLogger("outlast")
REST = 1.0  # seconds without new work for a child that could not begin what it was given
BUSY_PAUSE = 0.5  # seconds until one is started again that could not be entered in the journal
STEP = 0.05  # seconds between looks at what has to stop
OLD_GENERATIONS = 2  # how many may still be finishing what they have


class Pool:
    """The task processes. `ended(attempt, happening)` is told of each attempt that is over, and says whether for good.

    `woken()` is called when a child has stored a task of its own, `enter(pid)` to give a new child its id.
    """

    def __init__(
        self,
        place: Place,
        selector: selectors.BaseSelector,
        ledger: Ledger,
        enter: Callable[[int], int],
        ended: Callable[[Claimed, Happening], bool],
        woken: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._ended = ended
        self.children: list[Child] = []
        self._woken = woken
        self.setbacks = Setbacks(ledger)
        self._remarks = Remarks()
        handlers = Handlers(enter, self.children.append, self._received, self._over, self.setbacks.met)
        self._starter = Starter(place, selector, handlers)
        self._generation: Generation | None = None
        self._next_enforcement = 0.0
        self._oom = OomKills()
        self._limits = Limits(0, 0, 0)
        self.queue = Queue()
        self.is_restless = False  # whether there may be more to start or promote at once

    @property
    def running(self) -> int:
        """How many attempts are in a process, or will be as soon as one takes them."""
        return sum(len(child.attempts) for child in self.children) + len(self.queue.ready)

    @property
    def in_hand(self) -> list[Claimed]:
        """The attempts that are claimed and not settled."""
        return [*(one for child in self.children for one in child.attempts.values()), *self.queue.all]

    @property
    def has_environment(self) -> bool:
        """Whether it is known where and how children start."""
        return self._generation is not None

    @property
    def counts(self) -> Counts:
        """How many task processes there are, or are coming."""
        return counts(self.children, self._starter.coming)

    @property
    def pids(self) -> set[int]:
        """Of all processes that it has started."""
        return {child.pid for child in self.children} | self._starter.pids

    @property
    def is_expecting(self) -> bool:
        """Whether there may be a task process that it has not heard of yet."""
        return self._starter.coming > 0

    def welcome(self, environment: Environment, outputs: tuple[int, int], home: Home) -> None:
        """The newest hello: children of another environment or output finish what they have and are replaced."""
        old = self._generation
        self._starter.home = home
        if old is not None and old.is_for(environment, outputs):
            close(outputs)
            self.check_code()
        else:
            self._starter.end()
            self._generation = Generation(old.number + 1 if old else 1, environment, outputs)
            self._retire(child for child in self.children if child.generation is not self._generation)
            if old is not None:
                close(old.outputs)
        self.setbacks.forgive()

    def check_code(self) -> None:
        """Ask every child whether a file it has imported has changed; those say `stale` and are replaced."""
        self._starter.check_code()
        for child in self.children:
            child.channel.send({"type": "check"})

    @property
    def attentive(self) -> bool:
        """Whether an attempt has to be stopped, or may have to be soon."""
        return any(child.stops or child.deadlines or child.hung_up_at for child in self.children)

    def enforce(self, now: float) -> None:
        """Stop what has taken too long, was cancelled, or blocks its loop for too long."""
        if now < self._next_enforcement:
            return
        self._next_enforcement = now + STEP
        for child in list(self.children):
            for attempt, happening in limits.enforce(child, child.generation.environment.settings, now):
                self._end(attempt, happening)

    def send_signal(self, pid: int, number: int) -> bool:
        """Send a signal to a child; False if there is none of this pid."""
        if all(child.pid != pid for child in self.children):
            return False
        os.kill(pid, number)
        return True

    def cancel(self, tasks: Collection[int], now: float) -> None:
        """Stop these, wherever they run."""
        for child in self.children:
            limits.cancel(child, tasks, now)
        for attempt in self.queue.take_out(tasks):
            self._end(attempt, Stopped(Why.CANCEL, 0.0))

    def watch_memory(self, now: float) -> None:
        """Processes that have grown beyond `max_rss` finish what they have; one that has done nothing stays."""
        self._oom.look(now)
        for child in self.children:
            most = child.generation.environment.settings.max_rss
            has_worked = child.is_ready and (child.idle_since > child.ready_at or child.attempts)
            if most and child.stays and has_worked and (size := resident_bytes(child.pid)) > most:
                log.info("%s", events.recycled(child.pid, size, most))
                child.drain()

    def forget_environment(self) -> None:
        """No web worker is left: hold nothing of the server that has gone, let children finish what they have."""
        self._starter.end()
        if self._generation is not None:
            close(self._generation.outputs)
            self._generation = None
        self._retire(self.children)

    def free(self, lane: Lane, now: float) -> int:
        """How many attempts of `lane` can be handed over now; in lane `alone`, how many companies."""
        if lane is not Lane.ALONE:
            return max(0, sum(child.free(lane) for child in self._ready(Role.SHARED, now)) - self.queue.lanes[lane])
        room = self._limits.max_alone - len(in_role(self.children, Role.ALONE)) if self._generation else 0
        return max(0, min(room, len(self._ready(Role.SPARE, now))))

    def hand_over(self, claims: Collection[Claimed], now: float) -> None:
        """Give each attempt to the child that has most room for it, those behind others when these have ended."""
        for attempt in self.queue.line_up(claims):
            self._end(attempt, Unbegun(endings.BEFORE_IS_GONE))
        self._pass_on(now)

    def _pass_on(self, now: float) -> None:
        """Let those begin whose turn it is, as far as there is room."""
        for child, share in self.queue.take_for(self._ready(Role.SHARED, now)).items():
            begun = [self._begun(one) for one in share]
            if not child.hand_over(begun, now):
                self.queue.ready += begun

    def _begun(self, attempt: Claimed) -> Claimed:
        if attempt.begun:
            return attempt
        attempt = replace(attempt, begun=True)
        self._ledger.add(Began(attempt, time.time()))
        return attempt

    def send_back(self, why: str) -> None:
        """Let those wait in the journal that wait here for the end of another."""
        for attempt in self.queue.take_behind():
            self._end(attempt, Unbegun(why))

    def _end(self, attempt: Claimed, happening: Happening) -> None:
        """An attempt is over. What is behind it begins, or waits in the journal until this has run again."""
        if self._ended(attempt, happening):
            self.queue.move_up(attempt.id)
            return
        for one in self.queue.take_all_behind(attempt.id):
            self._ended(one, Unbegun(endings.before_runs_again(attempt.id)))

    def set_apart(self, company: Sequence[Claimed], now: float) -> None:
        """Give attempts a process with nothing else in it."""
        child = self._ready(Role.SPARE, now)[0]
        child.role = Role.ALONE
        self.is_restless = True
        if not child.hand_over(company, now):
            for attempt in company:
                self._end(attempt, Cut("its process had died before it began"))

    def keep(self, now: float, lanes_waiting: Collection[Lane], others: Counts) -> None:
        """Start, promote and let go children, as it can be done beside those of `others`; pass on what came back."""
        self.is_restless = False
        if self._generation is None:
            return
        limits = self._limits = Limits.of(self._generation.environment.settings).beside(others)
        move = next_move(self._staff(now, lanes_waiting), *astuple(limits))
        if move is not Move.NOTHING and self.setbacks.may_try(now):
            self._make(move, self._generation, now)
        self._starter.keep(now)
        for child in surplus(self.children, limits, now):
            child.drain()
        self._pass_on(now)

    def _make(self, move: Move, generation: Generation, now: float) -> None:
        if move is Move.START:
            self._start(generation, now)
            return
        self.is_restless = True
        spare = max(spares(self.children), key=lambda child: child.is_ready)
        spare.begin()
        spare.role = Role.SHARED if move is Move.PROMOTE else spare.role

    def _staff(self, now: float, lanes_waiting: Collection[Lane]) -> Staff:
        usable = self._ready(Role.SHARED, now)
        lanes = {*lanes_waiting, *self.queue.lanes} - {Lane.ALONE}
        return Staff(
            shared=len(in_role(self.children, Role.SHARED)),
            usable=len(usable),
            is_beginning=any(not child.is_ready for child in in_role(self.children, Role.SHARED)),
            is_crowded=any(all(not child.free(lane) for child in usable) for lane in lanes),
            alone=len(in_role(self.children, Role.ALONE)),
            ready_spares=len(spares(self.children)),
            begun_spares=sum(child.begins for child in spares(self.children)),
            coming=sum(not one.has_imported for one in in_role(self.children, Role.SPARE)) + self._starter.coming,
            alone_waits=Lane.ALONE in lanes_waiting,
        )

    def _ready(self, role: Role, now: float) -> list[Child]:
        return [child for child in self.children if child.accepts(role, now)]

    def let_go(self, why: str) -> None:
        """Let all leave, and first what runs in them: it is cut, and nobody is to blame."""
        given = self.queue.take_ready()
        for attempt in given:
            self._end(attempt, Cut(why) if attempt.begun else Unbegun(why))
        ends.tell_cut([one for one in given if one.begun], why)
        self._let_go(self.children, why)

    def end_all(self, why: str) -> None:
        """The same at once."""
        self._starter.end()
        self.let_go(why)
        for child in list(self.children):
            child.end(why)
            self._over(child)

    def _let_go(self, children: Iterable[Child], why: str) -> None:
        ends.tell_cut([one for child in children for one in child.leave(why, time.monotonic())], why)

    def _start(self, generation: Generation, now: float) -> None:
        try:
            self.is_restless = self._starter.start(generation)
        except JournalBusy:  # it was ended again: there is nothing wrong with it
            self.setbacks.pause(now, BUSY_PAUSE)
        except (OSError, OutlastError) as error:
            self.setbacks.met(str(error))

    def _retire(self, children: Iterable[Child]) -> None:
        for child in list(children):
            child.drain()
        oldest = self._generation.number - OLD_GENERATIONS if self._generation else 0
        self._let_go([one for one in self.children if one.generation.number < oldest], endings.CODE_REPLACED)

    def _received(self, child: Child, message: Message) -> None:
        child.heard_at = time.monotonic()
        match message.get("type"):
            case "ended":
                self._settled(child, message["tasks"])
            case "cut" | "back" | "unknown":
                self._over_there(child, message)
            case "known":
                for group in child.news_of(message["tasks"]):
                    self._ledger.add_once(Known(group, child.asked_at))
            case "spoiled":
                child.drain()
            case "imported":
                self._remarks.make(message["remarks"])
                child.imported()
                self.setbacks.has_imported()
            case "ready":
                self._remarks.make(message["remarks"])
                child.started()
                self.setbacks.over()
                self._woken()
            case "broken":
                child.broken_because = clean(message["why"], 2 * MOST_TRACEBACK)
            case "blocked":
                self._blocked(child, message)
            case "free":
                self._free_again(child, float(message["seconds"]), Incident.read(message["incident"]))
            case "stale":
                self._starter.new_code()
                child.drain()
            case "wake":
                self._woken()

    def _settled(self, child: Child, tasks: list[list[str | int]]) -> None:
        """Each is [id, "" or reason, traceback]: an attempt that this child does not have is not its to end."""
        reports = {int(task_id): (str(reason), str(traceback)) for task_id, reason, traceback in tasks}
        stops = dict(child.stops)
        for attempt in child.give_up(reports, child.heard_at):
            self._end(attempt, ended_by_itself(*reports[attempt.id], stops.get(attempt.id)))
        self._pass_on(child.heard_at)

    def _over_there(self, child: Child, message: Message) -> None:
        """An attempt has ended, or could not begin, by what is neither its own nor was ordered."""
        task, happening = int(message["task"]), not_its_own(child.pid, message)
        child.rests_until = child.heard_at + REST if message["type"] == "back" else child.rests_until
        stop = child.stops.get(task)
        for attempt in child.give_up([task], child.heard_at):
            self._end(attempt, stop.heeded() if stop else happening)

    def _blocked(self, child: Child, message: Message) -> None:
        seconds, unstarted, cause = float(message["seconds"]), message["unstarted"], Cause(message["cause"])
        if child.role is Role.SHARED and child.blocked_why in (None, Cause.STARVED) and child.blocked_why is not cause:
            child.blocked_why = cause
            busy = [task_id for task_id in child.attempts if task_id not in set(unstarted)]
            log.warning("%s", events.child_blocked(one_line(message["sentence"], MOST_REASON), busy))
        if message["function"] and seconds >= 2 * child.learned_seconds:
            child.learned_seconds = seconds  # it is reported a few times a second, and to write it each time is no use
            self._learn(Learned(str(message["function"]), str(message["code"]), seconds))
        child.blocked_since = child.blocked_since or child.heard_at - seconds
        child.blocked_by = int(message["task"])
        self.queue.ready += child.give_up(unstarted, child.heard_at)

    def _learn(self, found: Learned) -> None:
        """From now on that function runs apart, also where it is next in a line."""
        self._ledger.learn(found)
        for attempt in self.queue.take_behind(lambda one: one.function == found.function):
            self._ended(attempt, Unbegun(endings.BLOCKS_THE_LOOP))

    def _free_again(self, child: Child, seconds: float, incident: Incident) -> None:
        if child.role is Role.SHARED:
            log.warning("%s", incident.sentence)
            self._ledger.add_incidents([incident])
        if child.blocked_since is not None:
            child.blocked_since = child.blocked_why = None
            child.learned_seconds = 0.0
            limits.forgive(child, seconds)
            child.blocked_by = 0
            self._woken()

    def _over(self, child: Child) -> None:
        """A child has ended, by its own will or not."""
        if child.is_over:
            return
        child.is_over = True
        status = child.reap()
        self.children.remove(child)
        by_oom = status == -signal.SIGKILL and not child.ended_because and self._oom.has_struck()
        remains, now = child.remains(), time.monotonic()
        how = how_it_ended(child, remains, status, by_oom=by_oom)
        self._ledger.add(ChildGone(child.id, how))
        attempts = child.give_up(list(child.attempts), now)
        meanings = verdicts(child, attempts, how, status, remains.crash)
        if child.is_starting and not child.is_draining:
            self.setbacks.met(child.broken_because or f"a new task process {how}")
        elif (attempts or status) and not is_planned(child, status):
            fates = {**child.fates, **{task: fate_of(happening) for task, happening in meanings.items()}}
            seen = Witnessed(now, by_oom, status, why_ended(child, status), fates)
            self._ledger.add_incidents([incident_of(remains, seen)])
        for attempt in attempts:
            self._end(attempt, meanings[attempt.id])
        self._woken()
