"""Whether the object behind a bound method is the same in a task process, which makes its own when it imports.

What the project's own methods do to it is read from their source (`module_state`). Of objects of a library only what
they hold is known: one that holds a queue, a lock, a connection or a container that is still empty keeps state of this
process, such as the clients that are connected to it, and a call elsewhere would do nothing for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from outlast.functions.kinds import kind_of
from outlast.functions.names import owner_of, runs
from outlast.functions.values import parts
from outlast.source.belongings import is_container
from outlast.source.sources import Sources
from outlast.text import MOST_NAME, in_brief, one_line

_DEPTH = 3
_MOST = 300  # objects looked at
_SIZED = (dict, list, tuple, set, frozenset, deque)
_REMEDY = "write a function of a module that calls it, if it may run in another process all the same"


def keeps_state(function: Callable[..., Any], path: str, sources: Sources) -> str:
    """Why the object that `function` belongs to ties it to this process, in one sentence; empty when nothing does."""
    owner = owner_of(function) if runs(function) is function else function
    if owner is None:
        return ""
    name = path if owner is function else path.rpartition(".")[0]
    kind = kind_of(owner)
    if is_container(owner) or (kind is not None and kind.is_live):
        return f"{path} belongs to `{name}`, which each process has for itself: {_REMEDY}"
    held = _first_state_in(owner, sources)
    return f"{path} belongs to `{name}`, which keeps what only this process has in {held}: {_REMEDY}" if held else ""


def _first_state_in(owner: object, sources: Sources) -> str:
    try:
        return next(_state_in(owner, sources), "")
    except Exception as error:  # noqa: BLE001 - an object of the user's, which may raise anything when it is looked at
        return f"what cannot be looked at ({in_brief(error)})"


def _state_in(owner: object, sources: Sources) -> Iterator[str]:
    """What is inside that only this process has, each with the way to it."""
    waiting: deque[tuple[str, object, int, bool]] = deque([("", owner, 0, False)])
    seen: set[int] = set()
    while waiting:
        way, inner, depth, is_in_own = waiting.popleft()
        if id(inner) in seen or depth == _DEPTH:
            continue
        seen.add(id(inner))
        if len(seen) == _MOST:
            yield "more than can be looked through"
        is_own = sources.is_own_class(type(inner)) or (is_in_own and is_container(inner))
        for name, value in _attributes(inner):
            if _is_state(value, is_own=is_own):
                yield f"`{one_line(f'{way}{name}', MOST_NAME)}`"
            waiting.append((f"{way}{name}.", value, depth + 1, is_own))


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, type) or kind_of(thing) is not None or (isinstance(thing, _SIZED) and len(thing) > _MOST):
        return  # such as a table of data
    inside = parts(thing)
    yield from (inside or getattr(thing, "__dict__", {})).items()
    for cls in type(thing).__mro__ if inside is None else ():
        names = vars(cls).get("__slots__", ())
        yield from ((name, getattr(thing, name)) for name in names if name[:2] != "__" and hasattr(thing, name))


def _is_state(value: object, *, is_own: bool) -> bool:
    """The containers of the project's own objects are seen where its methods change them."""
    if is_container(value):
        return not is_own and not value
    kind = kind_of(value)
    return kind is not None and kind.is_live
