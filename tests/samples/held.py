"""Objects that a module holds at its top level, whose methods become tasks."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from functools import partial
from os import system
from typing import Any, Protocol, runtime_checkable

import click
import httpx2
from pydantic import BaseModel


class Mailer:
    """Holds what it was made with: another process makes the same."""

    run = subprocess.run

    def __init__(self, host: str = "localhost") -> None:
        self.host = host
        self.sent = 0
        self.active: list[str] = []

    def send(self, to: str) -> str:
        return f"{self.host} {to}"

    async def send_soon(self, to: str) -> None: ...

    def count(self, to: str) -> None:  # noqa: ARG002
        self.sent += 1

    def __call__(self, to: str) -> None: ...


class Notifier:
    """Holds an object of a library, and that holds what only this process has."""

    def __init__(self) -> None:
        self.client = httpx2.Client()

    def notify(self, to: str) -> None: ...


class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def send(self, to: str) -> None: ...


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, to: str) -> None:  # noqa: ARG002
        self.calls += 1


class Settings(BaseModel):
    """Can neither be hashed nor remembered weakly."""

    host: str = "localhost"

    def send(self, to: str) -> None: ...


@runtime_checkable
class Sending(Protocol):
    def __call__(self, to: str) -> None: ...


class Bag(list[str]):
    pass


mailer = Mailer()
settings = Settings()
notifier = Notifier()
locked = Locked()
counting = Counting()
client = httpx2.Client()
executor = ThreadPoolExecutor(1)
queue: asyncio.Queue[str] = asyncio.Queue()
jobs: list[str] = []
bag = Bag()
logger = logging.getLogger("held")
message = Message()
bound = partial(mailer.send, "a")
shown = click.echo


def send(to: str) -> None: ...


def store(job: str) -> None:
    jobs.append(job)


def rows(to: str) -> Any:
    yield to


def loosely(function, to: str) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


def safely(function: Callable[..., Any], to: str) -> None: ...


def perhaps(function: Callable[[str], None] | None = None) -> None: ...


def strictly(function: str) -> None: ...


def through(function: Sending) -> None: ...


def each(*functions: Callable[..., Any], **others: Any) -> None: ...


def make(model: type[BaseModel]) -> None: ...


__all__ = ["os", "system"]
