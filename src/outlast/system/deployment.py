"""Whose a task is: an app, the release of its code that asked for it, and where that is deployed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outlast.text import LONGEST_PATH, MOST_NAME, one_line


@dataclass(frozen=True, slots=True, order=True)
class Home:
    """`app` is the name of an app, `release` tells one state of its code from another. Empty: nobody knows."""

    app: str = ""
    release: str = ""


NO_HOME = Home()
"""Of what an outlast has stored that did not ask yet: any app of its journal may run it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One release of an app in one folder.

    names: those under which the app can be found, that by which it calls itself first; none stands for whatever app.
    root: the folder of its code, no symbolic link. changed_at: when the newest file of it was, in seconds since the
    epoch, so that of two releases it can be told which is the newer one, whichever of them is heard first.
    """

    names: tuple[str, ...] = ()
    release: str = ""
    root: str = ""
    changed_at: float = 0.0

    @property
    def home(self) -> Home:
        """That of the tasks it asks for."""
        return Home(self.names[0] if self.names else "", self.release)

    def is_app(self, name: str) -> bool:
        """Whether its app is called that. A task or a deployment that names no app may be of any."""
        return not name or not self.names or name in self.names

    def is_at_home(self, home: Home) -> bool:
        """Whether it is exactly this release."""
        return home.app in self.names and home.release == self.release

    def is_same_app(self, other: Deployment) -> bool:
        """Whether both are releases of one app."""
        return any(map(self.is_app, other.names)) if other.names else True

    def is_in_place_of(self, other: Deployment) -> bool:
        """Whether it is that app in that folder: a release that was there before is there no more."""
        return self.root == other.root and (set(self.names) == set(other.names) or bool({*self.names} & {*other.names}))

    def with_names_of(self, other: Deployment) -> Deployment:
        """The same, found under the names as well that another of its app has."""
        return replace(self, names=tuple(dict.fromkeys((*self.names, *other.names)))) if self.names else self

    @classmethod
    def read(cls, given: Mapping[str, Any] | None) -> Deployment:
        """That of a message, nothing of an outlast that tells none. Raises ValueError or the like for other things."""
        if not given:
            return cls()
        names = tuple(one_line(str(one), MOST_NAME) for one in given["names"])
        root = one_line(str(given["root"]), LONGEST_PATH)
        return cls(names, one_line(str(given["release"]), MOST_NAME), root, float(given["changed_at"]))


def deployment_for(
    home: Home, alive: Sequence[Deployment], awaited: Collection[Deployment], *, others_may_come: bool
) -> Deployment | None:
    """Which of the deployments that are `alive` runs the tasks of `home` now; None for none of them.

    Its own; while that may come back, nobody: neither old code nor new code may run it by chance. When it has gone, the
    newest of its app. others_may_come: whether not everybody has said who he is, as after a runner's start.
    """
    if own := [one for one in alive if one.is_at_home(home)]:
        return newest_of(own)
    may_come = home != NO_HOME and others_may_come
    if may_come or any(one.is_at_home(home) for one in awaited):
        return None
    return newest_of([one for one in alive if one.is_app(home.app)])


def newest_of(deployments: Sequence[Deployment]) -> Deployment | None:
    """The one with the newest code, the last of several."""
    return max(reversed(deployments), key=lambda one: one.changed_at, default=None)
