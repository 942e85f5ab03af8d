"""Who was it, when a process died with several attempts in it. Pure: what was seen in, happenings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from outlast.outcome import Beside, Died, Happening, Suspected
from outlast.tasks import Claimed
from outlast.watch.crash import excerpt, threads_in


def convicted(attempts: Sequence[Claimed], pid: int, how: str, crash: str) -> Mapping[int, Happening]:
    """What happened to each attempt of a dead process, by task id.

    One attempt alone is guilty. Of several, the one whose function was on the stack of the thread that crashed
    (`crash` is what faulthandler wrote, empty if nothing). Else all, or those of that function, are suspects: they
    run again in half the company, until the guilty one is alone.
    """
    suspects = on_stack(attempts, crash) or list(attempts)
    if len(suspects) == 1:
        guilty = suspects[0]
        beside: Happening = Beside(pid, how)
        return {one.id: Died(pid, how, excerpt(crash)) if one is guilty else beside for one in attempts}
    suspected = Suspected(pid, how, among=len(suspects))
    accused = {one.id for one in suspects}
    return {one.id: suspected if one.id in accused else Beside(pid, how) for one in attempts}


def on_stack(attempts: Sequence[Claimed], crash: str) -> list[Claimed]:
    """The attempts whose function the crashed thread was in; all of one function, since a stack names no task."""
    current = [thread for thread in threads_in(crash) if thread.is_current]
    frames = {(_module_of(one.file), one.function) for thread in current for one in thread.frames}
    return [one for one in attempts if _named(one.function) in frames]


def _named(path: str) -> tuple[str, str]:
    module, _, qualname = path.partition(":")
    return module.rpartition(".")[2], qualname.rpartition(".")[2]


def _module_of(file: str) -> str:
    path = PurePath(file)
    return path.parent.name if path.stem == "__init__" else path.stem
