"""Which functions run only while an app is set up: at import, where it is made, in its lifespan.

What they fill or assign is there in a task process as well, which sets the app up for itself.
"""

from __future__ import annotations

from outlast.sources import Sources
from outlast.syntax import User, sets_up

_STEPS = 3  # callers of callers


class SetUp:
    """Asks who calls a function, by its name alone: one that others share counts as called by all who call those."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[str, bool] = {}

    def only_runs_then(self, name: str, steps: int = _STEPS) -> bool:
        """Whether somebody calls the function, and all who do only set the app up."""
        if name not in self._known:
            self._known[name] = False  # while its callers are asked
            self._known[name] = self._is_for_set_up(name, steps)
        return self._known[name]

    def _is_for_set_up(self, name: str, steps: int) -> bool:
        is_used = False
        for module in self._sources.own_modules():
            source = self._sources.module(module)
            for user in source.users_of(name) if source else ():
                is_used = True
                if not self._sets_up(user, steps):
                    return False
        return is_used

    def _sets_up(self, user: User, steps: int) -> bool:
        if not user.is_call:
            return False
        function = user.function
        return function is None or sets_up(function) or (steps > 0 and self.only_runs_then(function.name, steps - 1))
