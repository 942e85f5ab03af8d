"""Starts the task processes of one deployment: each that has come gets an id, a black box, and its first message."""

from __future__ import annotations

import selectors
from collections.abc import Iterator
from time import monotonic

from outlast.errors import JournalBusy, OutlastError
from outlast.runner.child_process import ChildProcess
from outlast.runner.children import Child
from outlast.runner.forking import launcher_for
from outlast.runner.launching import Arrival, Generation, Launcher, NotStarted, told
from outlast.runner.presence import Presence
from outlast.runner.reaping import exit_status, kill_group
from outlast.runner.setbacks import Setbacks
from outlast.system.deployment import NO_HOME, Home
from outlast.system.place import Place
from outlast.wire.frames import Message

BUSY_PAUSE = 0.5  # seconds until one is started again that could not be entered in the journal


class Enrolment:
    """Of the task processes of one runner."""

    def __init__(self, place: Place, selector: selectors.BaseSelector, presence: Presence) -> None:
        self.selector = selector
        self._place = place
        self._presence = presence

    def enrol(self, arrival: Arrival, generation: Generation, home: Home, *, is_new: bool) -> Child:
        """is_new: see `ImportedCode`. Raises OutlastError or OSError, and then the process is ended."""
        try:
            number = self._presence.enter("child", arrival.handle.pid)
        except OutlastError:
            kill_group(arrival.handle.pid)
            exit_status(arrival.handle)
            arrival.sockets.close()
            raise
        sockets = arrival.sockets
        process = ChildProcess(
            arrival.handle, self.selector, sockets.channel[0], sockets.lifeline[0], sockets.interrupts[0]
        )
        child = Child(number, generation, process, self._place.file(f"child-{number}.box"))
        process.channel.send(_start_message(child, self._place, home) | {"is_new": is_new})
        if arrival.must_check:  # the others were asked when it was not there yet
            process.channel.send({"type": "check"})
        return child


def _start_message(child: Child, place: Place, home: Home) -> Message:
    return {
        "type": "start",
        "process": child.id,
        "home": [home.app, home.release],
        "environment": told(child.generation.environment),
        "journal": str(place.journal),
        "is_shared": place.is_shared,
        "box": str(child.box),
    }


class Starter:
    """`generation`: how they start; None: nobody knows. home: whose they are from now on.

    is_code_new: whether none of them that stays has imported it yet.
    """

    def __init__(self, enrolment: Enrolment, setbacks: Setbacks) -> None:
        self.generation: Generation | None = None
        self.launcher = Launcher()
        self.home = NO_HOME
        self.is_code_new = True
        self._enrolment = enrolment
        self._setbacks = setbacks

    def begin(self, generation: Generation | None) -> list[Child]:
        """From now on start these. Returns those of the last that have come just now."""
        last = self.end()
        self.generation = generation
        self.is_code_new = True
        self.launcher = launcher_for(generation, self._enrolment.selector) if generation else Launcher()
        return last

    def has_imported(self, child: Child) -> None:
        """It has told what the import does; one that does not stay may have told it of other code."""
        self.is_code_new = self.is_code_new and not child.stays

    def code_has_changed(self) -> None:
        """Since one of them has imported it."""
        self.is_code_new = True
        self.launcher.code_has_changed()

    def end(self) -> list[Child]:
        """Nobody comes any more; returns who has come already."""
        self.launcher.end()
        last = list(self.arrived(monotonic()))
        self.launcher = Launcher()
        return last

    def start(self) -> bool:
        """Start one, or ask for one. False: not now."""
        try:
            return self.launcher.ask()
        except (OSError, OutlastError) as error:
            self._setbacks.met(str(error))
            return False

    def arrived(self, now: float) -> Iterator[Child]:
        """Those that are there since the last look."""
        for one in self.launcher.arrivals(now):
            match one:
                case Arrival() if self.generation:
                    yield from self._enrolled(one, self.generation, now)
                case NotStarted(why, was_killed):
                    self._setbacks.met(why, was_killed=was_killed)

    def _enrolled(self, arrival: Arrival, generation: Generation, now: float) -> Iterator[Child]:
        try:
            yield self._enrolment.enrol(arrival, generation, self.home, is_new=self.is_code_new)
        except JournalBusy:  # it was ended again: there is nothing wrong with it
            self._setbacks.pause(now, BUSY_PAUSE)
        except (OSError, OutlastError) as error:
            self._setbacks.met(str(error))
