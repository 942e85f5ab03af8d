"""The tasks that are seen in one call of the app, and the background objects that carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from types import FrameType
from typing import Any

from starlette.background import BackgroundTasks

from outlast.tasks.ids import TaskIds
from outlast.web.background import StandIn, is_group, take_apart, take_over
from outlast.web.call_site import UNKNOWN, CallSite, call_site
from outlast.web.entry import Entry, Step
from outlast.web.scene import Scene, current_task


class Sightings:
    """Makes an entry of each task that is seen.

    carriers: the background objects of responses.
    will_leave: a response is still to start, where the tasks see what has been set until then.
    """

    def __init__(self, ids: TaskIds, *, will_leave: bool) -> None:
        self._ids = ids
        self._will_leave = will_leave
        self._late = False
        self._entries: dict[int, Entry] = {}
        self.carriers: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self._entries or self.carriers)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def response_started(self) -> None:
        """What is seen from now on is late, and sees what has been set where it is seen."""
        self._late, self._will_leave = True, False

    def forget(self) -> None:
        """The call is over."""
        self._entries.clear()
        self.carriers.clear()

    def carry(self, background: Any) -> Any:
        """A response was given `background`; returns what it shall have in its place."""
        if self.is_carrier(background):
            if not self._late:
                self.see(take_apart(background)[1])
            return background
        stands_in, tasks = take_apart(background)
        self.carriers.append(stands_in)
        self.see(tasks, call_site)
        return stands_in

    def is_carrier(self, background: Any) -> bool:
        """Whether a response was given it, or what stands in its place."""
        for one in self.carriers:  # noqa: SIM110 - asked on the way of every request
            if one is background:
                return True
        return False

    def added(self, owner: BackgroundTasks, caller: FrameType) -> list[Entry]:
        """A task was just appended to `owner`, which may be more than a list of tasks: then it stays as it is."""
        return self.see(take_over(owner), partial(call_site, caller)) if is_group(owner) else []

    def promised(self, entry: Entry) -> None:
        """A task that no response has to carry."""
        self._entries[id(entry.task)] = entry
        self.place([entry])

    def see(self, tasks: Iterable[StandIn], site: Callable[[], CallSite] = lambda: UNKNOWN) -> list[Entry]:
        """The entries of tasks, seen here; `site` is asked where those come from that were not seen before."""
        entries = [self._entries.get(id(task)) or self._new(task, site()) for task in tasks]
        self.place(entries)
        return entries

    def entry_of(self, task: StandIn, site: Callable[[], CallSite] = lambda: UNKNOWN) -> Entry:
        """That of a task, wherever it was seen."""
        return self._entries.get(id(task)) or self._new(task, site())

    def place(self, entries: Sequence[Entry]) -> None:
        """They were seen where the code of this moment runs."""
        task = current_task()
        scene = None
        for entry in entries:
            is_of_here = entry.scene is not None and entry.scene.task is task
            if not is_of_here or not self._will_leave:
                scene = scene or Scene(copy_context(), task)
                entry.scene = scene.after(entry.scene)

    def leave(self) -> None:
        """A response starts here: its tasks see what has been set since they were seen in this asyncio task."""
        if self._entries:
            here = Scene()
            for entry in self._entries.values():
                if entry.scene is not None and entry.scene.task is here.task:
                    entry.scene = here

    def to_be_stored(self) -> list[Entry]:
        """The tasks that the response which starts carries or need not carry, in their order."""
        seen = list(self._entries.values())
        known: dict[Entry, None] = {}  # in order
        for carrier in reversed(self.carriers):  # what was assigned later is called first, or contains the earlier
            for task in take_apart(carrier)[1]:
                known[self.entry_of(task)] = None
        for entry in seen:
            if entry.promise is not None and entry.promise.ready:
                known[entry] = None
        return [entry for entry in known if entry.step is Step.SEEN]

    def _new(self, task: StandIn, site: CallSite) -> Entry:
        entry = self._entries[id(task)] = Entry(task, self._ids.next(), site, self._late)
        return entry
