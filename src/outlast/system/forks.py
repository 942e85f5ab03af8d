"""Who has to be told when this process forks. Python keeps for ever what it was told to call: so it is told once."""

from __future__ import annotations

import os
import weakref


class OfOneProcess:
    """Has something that does not cross a fork. Told of one as long as it lives, once it has been given to `Forks`."""

    def before_fork(self) -> None:
        """In the parent."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's."""


class Forks:
    """Tells each of its objects, in the order in which they came; before a fork, in the other one."""

    def __init__(self) -> None:
        self._objects: weakref.WeakKeyDictionary[OfOneProcess, None] = weakref.WeakKeyDictionary()
        self._is_registered = False

    def tell(self, one: OfOneProcess) -> None:
        """From now on, as long as it lives."""
        self._objects[one] = None
        if not self._is_registered:
            self._is_registered = True
            os.register_at_fork(
                before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
            )

    def _alive(self) -> list[OfOneProcess]:
        return [one for reference in self._objects.keyrefs() if (one := reference()) is not None]

    def _before(self) -> None:
        for one in reversed(self._alive()):
            one.before_fork()

    def _after_in_parent(self) -> None:
        for one in self._alive():
            one.after_fork_in_parent()

    def _after_in_child(self) -> None:
        for one in self._alive():
            one.after_fork_in_child()
