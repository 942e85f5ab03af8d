"""What `add_task` and `enqueue` give back."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.tasks import shown


@dataclass(frozen=True, slots=True)
class Handle:
    """A task that was asked for. `number` is its id in the journal."""

    number: int

    @property
    def id(self) -> str:
        """The id as people see it and as the command line takes it."""
        return shown(self.number)

    def __str__(self) -> str:
        return self.id
