"""What the tasks of the matrix and of the soak do; each leaves its lines in a file outside of what is looked at.

It knows nothing of outlast. Copied into a folder of its own, beside main.py.
"""

import asyncio
import ctypes
import os
import re
import signal
import time

WITNESS = os.environ.get("WITNESS", "witness.log")


def witness(word: str, name: str) -> None:
    """One line, whole whoever else writes, and there whatever happens next."""
    descriptor = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word} {name} {os.getpid()}\n".encode())
    os.close(descriptor)


def sleeps(name: str, amount: float) -> None:
    witness("began", name)
    time.sleep(amount)
    witness("ran", name)


async def awaits(name: str, amount: float) -> None:
    witness("began", name)
    await asyncio.sleep(amount)
    witness("ran", name)


async def blocks(name: str, amount: float) -> None:
    witness("began", name)
    time.sleep(amount)
    witness("ran", name)


def hogs(name: str, amount: float) -> None:
    """A regular expression that backtracks twice as long with each letter, and holds the interpreter's lock."""
    witness("began", name)
    re.match(r"(a+)+$", "a" * int(amount) + "b")
    witness("ran", name)


def exits(name: str, amount: float) -> None:
    witness("began", name)
    os._exit(7)  # 3 and 4 would tell gunicorn that the app cannot be loaded: it would leave


def aborts(name: str, amount: float) -> None:
    """As C code does that finds its own state broken."""
    witness("began", name)
    ctypes.CDLL(None).abort()


def segfaults(name: str, amount: float) -> None:
    witness("began", name)
    ctypes.string_at(0)


async def is_killed(name: str, amount: float) -> None:
    witness("began", name)
    await asyncio.sleep(amount)
    signal.raise_signal(signal.SIGKILL)


def grows(name: str, amount: float) -> None:
    witness("began", name)
    taken = []
    while True:
        taken.append(b"x" * (16 << 20))


def fails(name: str, amount: float) -> None:
    witness("began", name)
    raise ValueError(f"{name} fails")


TASKS = {one.__name__: one for one in (sleeps, awaits, blocks, hogs, exits, aborts, segfaults, is_killed, grows, fails)}
