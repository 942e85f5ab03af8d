"""What `add_task` and `enqueue` give back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from outlast.tasks import shown


class Canceller(Protocol):
    """What can cancel a task that is stored."""

    async def cancel(self, task: int | str) -> bool:
        """See `Outlast.cancel`."""
        ...

    def cancel_sync(self, task: int | str) -> bool:
        """See `Outlast.cancel_sync`."""
        ...


def _is_stored() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Handle:
    """A task that was asked for. `number` is its id in the journal."""

    number: int
    _canceller: Canceller = field(repr=False, compare=False)
    _withdraw: Callable[[], bool] = field(repr=False, compare=False, default=_is_stored)

    @property
    def id(self) -> str:
        """The id as people see it and as the command line takes it."""
        return shown(self.number)

    async def cancel(self) -> bool:
        """Let it not run, or stop it. See `outlast.cancel`."""
        return self._withdraw() or await self._canceller.cancel(self.number)

    def cancel_sync(self) -> bool:
        """The same for code without an event loop."""
        return self._withdraw() or self._canceller.cancel_sync(self.number)

    def __str__(self) -> str:
        return self.id
