"""What `add_task` and `enqueue` give back."""

from __future__ import annotations

from collections.abc import Callable
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


class Handle:
    """A task that was asked for."""

    def __init__(
        self, number: int | Callable[[], int], canceller: Canceller, withdraw: Callable[[], bool] = _is_stored
    ) -> None:
        """A `number` that is not known yet is asked for when somebody wants to know it."""
        self._number = number
        self._canceller = canceller
        self._withdraw = withdraw

    @property
    def number(self) -> int:
        """Its id in the journal."""
        return self._number if isinstance(self._number, int) else self._number()

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

    def __repr__(self) -> str:
        return f"Handle({self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)
