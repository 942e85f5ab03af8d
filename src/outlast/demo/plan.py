"""What the demo does, in numbers, and the two servers it does it to."""

from __future__ import annotations

from dataclasses import dataclass

ACTIONS = {1: "def, time.sleep", 2: "async def, time.sleep", 3: "async def, asyncio.sleep"}
SMALL_REQUEST_EVERY = 0.1
BLOCKED_AFTER = 0.5


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How long everything takes, in seconds.

    task_seconds: how long each of the three tasks sleeps.
    worker_timeout: gunicorn's `-t`, after which it kills a worker that is silent.
    lead: how long only small requests are sent before the first of the three.
    spacing: the time between two of the three requests.
    """

    task_seconds: float = 15.0
    worker_timeout: int = 10
    lead: float = 1.0
    spacing: float = 0.3

    @property
    def patience(self) -> float:
        """How long a client waits for its answer: longer than any server here can be blocked and restart."""
        return self.task_seconds + self.worker_timeout + 5

    @property
    def limit(self) -> float:
        """How long after the last of the three requests a task that has not finished counts as lost."""
        return 2 * self.task_seconds + self.worker_timeout + 10


ARTICLE = DemoPlan()
QUICK = DemoPlan(task_seconds=3.0, worker_timeout=2)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers. `switch`: the value of the article's variable that turns outlast on or off."""

    name: str
    title: str
    switch: str
    tasks_die_with_worker: bool


STOCK = Side("stock", "Stock FastAPI", switch="0", tasks_die_with_worker=True)
OUTLAST = Side("outlast", "With outlast.install(app)", switch="1", tasks_die_with_worker=False)
