"""What the doorway needs of an app's `Outlast`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from outlast.context.carrier import Carrier
from outlast.context.reads import Reads
from outlast.engines.contract import Change
from outlast.settings import Settings
from outlast.tasks import Lane, TaskIds, Terms
from outlast.watch.flights import Flights


class Codec(Protocol):
    """Writes the arguments of one function as text."""

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Raises NotStorable for arguments that cannot travel."""
        ...


class TaskFunction(Protocol):
    """What is known of a function that can travel. With `inline_reason` it could, but should not."""

    @property
    def path(self) -> str:
        """`module:qualname`."""
        ...

    @property
    def lane(self) -> Lane:
        """Where its attempts run."""
        ...

    @property
    def codec(self) -> Codec:
        """Its arguments to text."""
        ...

    @property
    def terms(self) -> Terms:
        """What its decorator asks of each run."""
        ...

    @property
    def code(self) -> str:
        """A hash of its code."""
        ...

    @property
    def inline_reason(self) -> str:
        """Why it has to run in the web worker, for example that it shares module state; else empty."""
        ...


class Functions(Protocol):
    """Looks functions up, once each."""

    @property
    def carrier(self) -> Carrier:
        """Takes the values of context variables along."""
        ...

    def reads(self, function: Callable[..., Any], /) -> Reads:
        """Which context variables a function reads, as far as that is known without a look into files."""
        ...

    def describe(self, function: Callable[..., Any], /, *passed: Callable[..., Any]) -> TaskFunction:
        """Of a function to which others are `passed`. Raises NotStorable for one without a name. May read files."""
        ...

    def describe_now(self, function: Callable[..., Any], /, *passed: Callable[..., Any]) -> TaskFunction:
        """The same, but on an event loop from what is known: no file is read there."""
        ...

    def presume(self, function: Callable[..., Any], /) -> None:
        """A task that calls it is stored, maybe without a look into files: say so if that was wrong."""
        ...

    def knows(self, function: Callable[..., Any], /) -> bool:
        """Whether no file would have to be read for it."""
        ...

    async def look_into(self, functions: Iterable[Callable[..., Any]], /) -> None:
        """Wait until these are known."""
        ...


class Journal(Protocol):
    """What takes changes."""

    async def store(self, changes: Sequence[Change]) -> object:
        """Wait until `changes`, and all that was submitted before them, are durable.

        Raises StoreFailed or JournalUnusable after `settings.store_deadline` at most. Tasks that got in all
        the same, then or when it is cancelled, are dropped by whoever keeps this promise.
        """
        ...

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Write `changes` in the order they are submitted, trying again until it is done. From any thread."""
        ...


class Store(Journal, Protocol):
    """The part of `Outlast` that the doorway needs."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        ...

    @property
    def ids(self) -> TaskIds:
        """Makes task ids."""
        ...

    @property
    def functions(self) -> Functions:
        """Looks functions up."""
        ...

    @property
    def flights(self) -> Flights:
        """What is in flight in this process."""
        ...

    def begin_watch(self) -> None:
        """Watch the running event loop, if that has not begun."""
        ...

    async def cancel(self, task: int | str) -> bool:
        """Let a task not run, or not go on."""
        ...

    def cancel_sync(self, task: int | str) -> bool:
        """The same for code without an event loop."""
        ...

    async def serve_lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on, and open and close with it."""
        ...


class NoJournal:
    """Takes what test modes `inline` and `manual` would write."""

    async def store(self, changes: Sequence[Change]) -> None:
        """Nothing to wait for."""

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Nothing to write."""
