"""What faulthandler wrote when a process broke or was asked: stacks of C's and Python's last moment. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from outlast.system.whose import is_users
from outlast.watch.site import Site, shown_file

_THREAD = re.compile(r"^(?P<current>Current thread|Thread) (?P<name>0x[0-9a-f]+).*$", re.MULTILINE)
_FRAME = re.compile(r'^ *File "(?P<file>.+)", line (?P<line>\d{1,9}) in (?P<function>\S+)$', re.MULTILINE)
_CURRENT = re.compile(r"^Current thread .*?(?=^Thread |\Z)", re.MULTILINE | re.DOTALL)
LONGEST_EXCERPT = 16_384  # characters
_FATAL = re.compile(r"^Fatal Python error: (?P<what>.+)$", re.MULTILINE)
_LOOP = re.compile(r"/(asyncio|gunicorn|uvicorn|uvicorn_worker)/([a-z_]+/)*[a-z_]+\.py$")
_RUNS = frozenset({"_run", "run", "run_forever", "run_until_complete", "_run_once"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a stack."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A stack, innermost first. `name` is its number; `is_current`: the signal was delivered to it."""

    name: str
    is_current: bool
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Crash:
    """What was written, read once. It is false if that was nothing.

    excerpt: what is kept of it. error: what broke the process, such as `Segmentation fault`; empty if nothing did.
    threads: the stacks of the last dump. at: when it was written, seconds since the epoch.
    """

    excerpt: str = ""
    error: str = ""
    threads: tuple[Thread, ...] = ()
    at: float = 0.0

    @classmethod
    def read(cls, text: str, at: float = 0.0) -> Crash:
        """From whatever a file holds."""
        errors = _FATAL.findall(text)
        return cls(_excerpt(text), str(errors[-1]) if errors else "", tuple(_threads_in(text)), at)

    def __bool__(self) -> bool:
        """Whether anything was written."""
        return bool(self.excerpt)

    @property
    def hit(self) -> Sequence[Thread]:
        """The thread that the signal was delivered to, if it is told."""
        return [one for one in self.threads if one.is_current]

    @property
    def site(self) -> Site | None:
        """The user's innermost frame: of the thread that was hit, else of the only other one that has any."""
        current = [site for one in self.hit if (site := _site(_above_the_loop(one.frames)))]
        others = [site for one in self.threads if not one.is_current and (site := _site(one.frames))]
        if current:
            return current[0]
        return others[0] if len(others) == 1 else None

    @property
    def is_waiting(self) -> bool:
        """Whether the thread that was hit was an event loop with nothing to do. uvloop's own frames are not seen."""
        return any(_waits(one.frames) for one in self.hit)


NO_CRASH = Crash()


def _threads_in(text: str) -> list[Thread]:
    """The stacks of the last dump in `text`."""
    heads = list(_THREAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = [
        Thread(head["name"], head["current"] == "Current thread", tuple(_frames(text[head.end() : end])))
        for head, end in zip(heads, ends, strict=False)
    ]
    return found[_start_of_last_dump(found) :]


def _excerpt(text: str) -> str:
    """What is kept of a dump: what broke, the stack of the thread that was hit, and the others if there is room.

    Each thread of a pool that has nothing to do has a stack, too.
    """
    current = _CURRENT.search(text)
    if current is None:
        return text[:LONGEST_EXCERPT]
    first = _THREAD.search(text)
    head, before = text[: first.start()] if first else "", text[first.start() : current.start()] if first else ""
    others = [before, text[current.end() :]] if len(text) <= LONGEST_EXCERPT else []
    stacks = [one.strip("\n") for one in (current[0], *others) if one.strip()]
    whole = "\n\n".join([head[:200].rstrip(), *stacks]).lstrip("\n")
    return f"{whole}\n"[:LONGEST_EXCERPT]


def _waits(frames: Sequence[Frame]) -> bool:
    above = _above_the_loop(frames)
    loop = frames[len(above) :]
    return bool(loop) and loop[0].function != "_run" and all(_is_of_the_loop(one.file) for one in above)


def _is_of_the_loop(file: str) -> bool:
    return PurePath(file).stem == "selectors" or bool(_LOOP.search(file))


def _start_of_last_dump(threads: Sequence[Thread]) -> int:
    """Before it stands a thread that stands in it, too: the main one ends every dump."""
    names = [one.name for one in threads]
    return next((at + 1 for at in reversed(range(len(names))) if names[at] in names[at + 1 :]), 0)


def _frames(text: str) -> list[Frame]:
    return [Frame(one["file"], int(one["line"]), one["function"]) for one in _FRAME.finditer(text)]


def _above_the_loop(frames: Sequence[Frame]) -> Sequence[Frame]:
    """What a step of the loop has called, by the names of what runs loops."""
    lowest = next((at for at, one in enumerate(frames) if one.function in _RUNS and _LOOP.search(one.file)), None)
    return frames[:lowest]


def _site(frames: Sequence[Frame]) -> Site | None:
    found = next((one for one in frames if is_users(one.file)), None)
    return Site(found.function, shown_file(found.file), found.line) if found is not None else None
