"""One task of a request, and what has happened to it so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from outlast.web.background import StandIn
from outlast.web.call_site import CallSite
from outlast.web.plan import Plan
from outlast.web.scene import Scene


class Step(IntEnum):
    """How far a task has come on its way out of the request."""

    SEEN = 0
    OFFERED = 1  # to the journal, which has not said yet that it took it
    HELD = 2  # waits for the end of its response
    OVER = 3  # nothing is left to be done with it here


@dataclass(slots=True, eq=False)
class Promise:
    """Of a task that was added through `outlast.BackgroundTasks`, so that no response has to carry it.

    parallel: it waits for no other task of its response, and none waits for it.
    ready: the dependency that gave it out has ended without error; `lost` says why it has not.
    given: the id that the journal has given whoever asked: its own, or that of the task with its key that it has
        joined; None as long as it has not.
    """

    parallel: bool = False
    ready: bool = False
    lost: str = ""
    given: int | None = None


@dataclass(slots=True, eq=False)
class Entry:
    """One task.

    late: it was seen after the response had started.
    called: Starlette has called it, so its response was sent.
    is_out: somebody has been told its id, which can only stay as it is from then on.
    recorded: the journal knows it, so what happens to it is written there.
    scene: where FastAPI alone would run it. context: what of that travels with it, as JSON.
    """

    task: StandIn
    id: int
    site: CallSite
    late: bool = False
    promise: Promise | None = None
    plan: Plan | None = None
    is_out: bool = False
    step: Step = Step.SEEN
    called: bool = False
    recorded: bool = False
    scene: Scene | None = None
    context: str | None = None

    def tell_id(self) -> int:
        """Its id, for somebody who may tell others."""
        self.is_out = True
        return self.id
