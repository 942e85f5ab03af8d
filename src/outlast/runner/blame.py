"""Who was it, when a process died with several attempts in it. Pure: what was seen in, happenings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from outlast.tasks.outcome import Beside, Died, Happening, Suspected
from outlast.tasks.task import Claimed
from outlast.watch.crash import NO_CRASH, Crash


def happenings_by_blame(
    attempts: Sequence[Claimed], pid: int, how: str, crash: Crash = NO_CRASH, roots: Sequence[str] = ()
) -> Mapping[int, Happening]:
    """What happened to each attempt of a dead process, by task id. `roots` are the folders it had imported from.

    One attempt alone is guilty. Of several, the one whose function was on the stack of the thread that crashed
    (`crash` is what faulthandler wrote). Else all, or those of that function, are suspects: they
    run again in groups of half the size, until the guilty one is alone.
    """
    suspects = on_stack(attempts, crash, roots) or list(attempts)
    if len(suspects) == 1:
        guilty = suspects[0]
        beside: Happening = Beside(pid, how)
        return {one.id: Died(pid, how, crash.excerpt) if one is guilty else beside for one in attempts}
    suspected = Suspected(pid, how, among=len(suspects))
    accused = {one.id for one in suspects}
    return {one.id: suspected if one.id in accused else Beside(pid, how) for one in attempts}


def on_stack(attempts: Sequence[Claimed], crash: Crash = NO_CRASH, roots: Sequence[str] = ()) -> list[Claimed]:
    """The attempts whose function the crashed thread was in; all of one function, since a stack names no task."""
    frames = [(one.function, PurePath(one.file)) for thread in crash.hit for one in thread.frames]
    return [one for one in attempts if any(_is_of(one.function, *frame, roots) for frame in frames)]


def _is_of(path: str, function: str, file: PurePath, roots: Sequence[str]) -> bool:
    """Whether a frame is that of the function at `path`, `module:qualname`."""
    module, _, qualname = path.partition(":")
    return qualname.rpartition(".")[2] == function and _is_file_of(module.split("."), file, roots)


def _is_file_of(module: Sequence[str], file: PurePath, roots: Sequence[str]) -> bool:
    """Whether a module is imported from `file`: a library's `tasks.py` is not that of `app.tasks`, nor of `tasks`.

    Where the file is in none of the folders, its end has to be the module's name.
    """
    name = (file.parent if file.stem == "__init__" else file.with_suffix("")).parts
    inside = [name[len(root.parts) :] for root in map(PurePath, roots) if file.is_relative_to(root)]
    return tuple(module) in inside if inside else name[-len(module) :] == tuple(module)
