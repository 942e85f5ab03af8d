"""How task processes come to be, what connects the runner with them, and the plain way: a fresh interpreter."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from outlast.runner.reaping import Handle
from outlast.settings.settings import Settings
from outlast.wire.hello import Environment

Pair = tuple[socket.socket, socket.socket]


@dataclass(frozen=True, slots=True)
class Generation:
    """Children of one generation run the same code in the same environment and write to the same output."""

    number: int
    environment: Environment
    outputs: tuple[int, int]  # descriptors for stdout and stderr

    @property
    def settings(self) -> Settings:
        """Those that its server has."""
        return self.environment.settings

    def is_for(self, environment: Environment, outputs: tuple[int, int]) -> bool:
        """Whether children of these, which may be other descriptors of the same files, would be of this generation."""
        files = zip(self.outputs, outputs, strict=True)
        return self.environment == environment and all(os.path.sameopenfile(*both) for both in files)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Pairs of sockets, the runner's end first: for messages, for interrupts, and for the runner's death."""

    channel: Pair
    interrupts: Pair
    lifeline: Pair

    @classmethod
    def new(cls) -> Sockets:
        """Lines of which both ends are here."""
        return cls(socket.socketpair(), socket.socketpair(type=socket.SOCK_DGRAM), socket.socketpair())

    @property
    def pairs(self) -> tuple[Pair, Pair, Pair]:
        """All of them, in the order in which a task process expects their far ends."""
        return self.channel, self.interrupts, self.lifeline

    def close(self) -> None:
        """Hold nothing; a process at the far end dies of it."""
        close(self.pairs)


def far_ends(pairs: Sequence[Pair]) -> list[int]:
    """Descriptors for the process at the other end."""
    return [far.fileno() for _, far in pairs]


def let_go(pairs: Sequence[Pair]) -> None:
    """The process at the other end has its descriptors: hold them here no longer."""
    for _, far in pairs:
        far.close()


def close(pairs: Sequence[Pair]) -> None:
    """Hold nothing of them."""
    for near, far in pairs:
        near.close()
        far.close()


def spawn(generation: Generation, module: str, pairs: Sequence[Pair]) -> subprocess.Popen[bytes]:
    """Start `python -m module DESCRIPTOR…` with the far ends of `pairs`. Raises OSError, and then closes the pairs."""
    try:
        process = _interpreter(generation, module, far_ends(pairs))
    except OSError:
        close(pairs)
        raise
    let_go(pairs)
    return process


def _interpreter(generation: Generation, module: str, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    environment = generation.environment
    return subprocess.Popen(
        [environment.executable, *environment.flags, "-P", "-m", module, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=generation.outputs[0],
        stderr=generation.outputs[1],
        cwd=environment.folder,
        env=dict(environment.variables),
        pass_fds=descriptors,
        start_new_session=True,
    )


def told(environment: Environment) -> dict[str, Any]:
    """An environment as a message to a process that has its variables already."""
    return asdict(environment) | {"variables": {}}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A process is there and waits for its first message. must_check: its code may have changed since it was asked."""

    handle: Handle
    sockets: Sockets
    must_check: bool = False


@dataclass(frozen=True, slots=True)
class NotStarted:
    """A process that was asked for does not come, and why. was_killed: see `Setbacks.met`."""

    why: str
    was_killed: bool = False


class Launcher:
    """A way to start task processes of one generation. This one starts none: nobody knows how."""

    @property
    def coming(self) -> int:
        """How many were asked for that are not there yet."""
        return 0

    @property
    def pids(self) -> Collection[int]:
        """Of the processes that are here to start others."""
        return ()

    def ask(self) -> bool:
        """Ask for one more. False: not now. Raises OSError, for example when the interpreter or its folder is gone."""
        return False

    def arrivals(self, now: float) -> Iterator[Arrival | NotStarted]:  # noqa: ARG002 - nobody has to be waited for
        """What has become of those that were asked for, each once."""
        yield from ()

    def check_code(self) -> None:
        """Whoever has imported code here shall look whether it has changed."""

    def code_has_changed(self) -> None:
        """So a task process has found: what could not be done with the last may be possible now."""

    def end(self) -> None:
        """Hold nothing, wait for nobody. Who has arrived can still be had."""


class Spawn(Launcher):
    """Starts interpreters, which are there at once."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._arrived: list[Arrival] = []

    def ask(self) -> bool:
        """Start one."""
        sockets = Sockets.new()
        self._arrived.append(Arrival(spawn(self._generation, "outlast.child", sockets.pairs), sockets))
        return True

    def arrivals(self, now: float) -> Iterator[Arrival | NotStarted]:  # noqa: ARG002
        """Those that were started."""
        while self._arrived:
            yield self._arrived.pop(0)
