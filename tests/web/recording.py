"""A store that writes down what the doorway asks of it, and what that means for each task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.functions.functions import Functions
from outlast.journal.contract import Change
from outlast.journal.submissions import Answer
from outlast.settings.settings import Settings
from outlast.tasks.task import NewTask, Settlement
from outlast.web import hook
from outlast.web.entrance import with_doorway
from outlast.web.installed import InstalledApp

Write = Callable[[dict[str, Any]], None]


class RecordingStore(InstalledApp):
    """Takes everything at once. `failure` is raised instead, once something is to be stored."""

    def __init__(self, write: Write, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        super().__init__(settings, Functions(defaults=settings.default_options()))
        self.failure: Exception | None = None
        self._write = write

    async def store(self, changes: Sequence[Change]) -> Answer:
        if self.failure is not None:
            raise self.failure
        self._note("store", changes)
        return {}

    def store_soon(self, changes: Sequence[Change]) -> None:
        if changes:
            self._note("soon", changes)

    def begin(self) -> None:
        """Nobody blocks here."""

    async def serve_lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    def _note(self, how: str, changes: Sequence[Change]) -> None:
        written = [{"kind": type(change).__name__, **_as_dict(change)} for change in changes]
        self._write({"what": how, "changes": written})


def _as_dict(change: Change) -> dict[str, Any]:
    if isinstance(change, NewTask):
        return {**change._asdict(), "options": asdict(change.options)}
    return change._asdict() if isinstance(change, Settlement) else asdict(change)


class Recorded:
    """Outside of everything: writes down when a response starts, and when the call of the app has ended."""

    def __init__(self, app: ASGIApp, write: Write) -> None:
        self.app = app
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.send"):
                self._write({"what": "start", "status": message.get("status", 0)})
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            self._write({"what": "end", "raised": type(error).__name__})
            raise
        self._write({"what": "end", "raised": ""})


def install(app: Any, store: RecordingStore) -> None:
    """What `outlast.install` does, with another store."""
    hook.install()
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: with_doorway(build(), store, app.router)


def to_file(path: Path, app: str) -> Write:
    """Writes one JSON line for each event."""

    def write(event: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"app": app, **event}) + "\n")

    return write


@dataclass
class Outcome:
    """What became of the tasks of one request, by their names, in order."""

    status: int = 0
    raised: str = ""
    before: list[str] = field(default_factory=list)  # stored before the response started
    after: list[str] = field(default_factory=list)  # stored later
    released: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)  # inline tasks, how they ended
    states: dict[str, int] = field(default_factory=dict)  # in which state they were added
    follows: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Sequence[dict[str, Any]]) -> Outcome:
        """From the events of one request."""
        outcome = cls()
        names: dict[int, str] = {}
        for event in events:
            if event["what"] == "start":
                outcome.status = outcome.status or event["status"]
            elif event["what"] == "end":
                outcome.raised = event["raised"]
            else:
                for change in event["changes"]:
                    outcome._take(change, names, waited=event["what"] == "store")
        return outcome

    def _take(self, change: dict[str, Any], names: dict[int, str], *, waited: bool) -> None:
        match change["kind"]:
            case "NewTask":
                self._add(change, names, waited=waited)
            case "Release":
                self.released.append(names[change["id"]])
            case "Drop":
                self.dropped[names[change["id"]]] = change["reason"]
            case "Settlement":
                self.settled[names[change["id"]]] = change["end"]

    def _add(self, task: dict[str, Any], names: dict[int, str], *, waited: bool) -> None:
        name = names[task["id"]] = _name_of(task)
        assert waited or self.status or task["state"] != 0 or not self.before
        (self.before if waited and not self.status else self.after).append(name)
        self.states[name] = task["state"]
        if task["follows"]:
            self.follows[name] = names[task["follows"]]


def _name_of(task: dict[str, Any]) -> str:
    if task["arguments"] is None:
        return str(task["function"]).rpartition(".")[2]
    return str(json.loads(task["arguments"])["name"])
