"""What faulthandler wrote when a process broke or was asked: stacks of C's and Python's last moment. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from outlast.system.whose import is_users
from outlast.watch.site import Site, shown_file

_PART = re.compile(r"^(?=(?:Current thread|Thread) 0x|Stack \(|Fatal Python error: )", re.MULTILINE)
_HEAD = re.compile(r"(?:(?P<other>Thread)|Current thread|Stack) (?:(?P<name>0x[0-9a-f]+)|\().*")
_FRAME = re.compile(r'^ *File "(?P<file>.+)", line (?P<line>\d{1,9}) in (?P<function>\S+)$', re.MULTILINE)
ABORTED = "Aborted"  # by itself, or by whoever sent SIGABRT
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
    """A stack, innermost first. `name` is its number, empty if it was written alone; `text`: as it was written.

    is_current: the signal was delivered to it.
    """

    name: str
    is_current: bool
    frames: tuple[Frame, ...]
    text: str


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
        error, threads = str(errors[-1]) if errors else "", _threads_in(text)
        return cls(_excerpt(threads, error) or text[:LONGEST_EXCERPT], error, threads, at)

    def __bool__(self) -> bool:
        """Whether anything was written."""
        return bool(self.excerpt)

    @property
    def hit(self) -> Sequence[Thread]:
        """The thread that the signal was delivered to, if it is told."""
        return [one for one in self.threads if one.is_current]

    @property
    def site(self) -> Site | None:
        """The user's innermost frame: of the thread that was hit, else of the only other one that has any.

        The others have no part in it if the thread that was hit broke by itself.
        """
        current = [site for one in self.hit if (site := _site(_above_the_loop(one.frames)))]
        beside = [one for one in self.threads if not one.is_current and self.error in ("", ABORTED)]
        others = [site for one in beside if (site := _site(one.frames))]
        if current:
            return current[0]
        return others[0] if len(others) == 1 else None

    @property
    def is_waiting(self) -> bool:
        """Whether the thread that was hit was an event loop with nothing to do. uvloop's own frames are not seen."""
        return any(_waits(one.frames) for one in self.hit)


NO_CRASH = Crash()


def _threads_in(text: str) -> tuple[Thread, ...]:
    """The stacks of the last dump in `text`. One written alone is newer than what was known of that thread before."""
    found = [_thread(part, head) for part in _PART.split(text) if (head := _HEAD.match(part))]
    dumps = [one for one in found if one.name]
    last = dumps[_start_of_last_dump(dumps) :]
    if found and not found[-1].name:
        last = [*(one for one in last if not one.is_current), found[-1]]
    return tuple(last)


def _thread(text: str, head: re.Match[str]) -> Thread:
    return Thread(head["name"] or "", not head["other"], tuple(_frames(text[head.end() :])), text.strip("\n"))


def _excerpt(threads: Sequence[Thread], error: str) -> str:
    """What is kept of a dump: what broke, the stack of the thread that was hit, and the others if there is room.

    Each thread of a pool that has nothing to do has a stack, too.
    """
    head = [f"Fatal Python error: {error}"[:200]] if error else []
    first, others = ([one.text for one in threads if one.is_current == is_hit] for is_hit in (True, False))
    whole, short = ("\n\n".join([*head, *stacks]) + "\n" for stacks in ([*first, *others], first or others))
    return "" if not threads else whole if len(whole) <= LONGEST_EXCERPT else short[:LONGEST_EXCERPT]


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
