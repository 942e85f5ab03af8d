"""What a user of an app is told of a task: the body of each answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.types import Scope

from outlast.app import current, outcomes_of
from outlast.errors import NoResult
from outlast.journal.read import TaskRecord
from outlast.status.places import place_of
from outlast.tasks.redaction import Redactor
from outlast.tasks.task import FINISHED, State
from outlast.web.finding import StateName
from outlast.web.handle import Handle
from outlast.web.lookout import Question

SOON, LATE = 1, 60  # seconds: bounds of what is said when to ask again
_ID = "03a7pvxv40101k3q7wm2zr5tqhd4ns6aj2"
EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "status_url": f"/tasks/{_ID}",
    "events_url": f"/tasks/{_ID}/events",
    "state": "running",
    "attempt": 1,
    "progress": {"done": 3, "total": 10, "note": "page 3"},
    "created_at": "2026-11-27T09:30:00Z",
    "started_at": "2026-11-27T09:30:01Z",
    "ended_at": None,
    "run_at": None,
    "result": None,
    "reason": "",
}


class TaskProgress(BaseModel):
    """How far the newest attempt has come, as it says."""

    done: float = Field(description="How much is done.")
    total: float | None = Field(description="Of how much; null where the task does not know.")
    note: str = Field(description="What it does, in words of its own.")


class TaskStatus(BaseModel):
    """How a background task stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(description="The name of the task for who was given it; nobody else can guess it.")
    status_url: str = Field(description="The path at which this is asked for.")
    events_url: str = Field(description="The path at which each change is sent, as server-sent events.")
    state: StateName
    attempt: int = Field(description="How often it has been begun.")
    progress: TaskProgress | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    run_at: AwareDatetime | None = Field(description="Before which it does not begin, if it waits for a time.")
    result: Any = Field(description="What it has returned, if it is done and that was kept.")
    reason: str = Field(description="Why it has failed or waits, where the app tells that; else empty.")

    @property
    def etag(self) -> str:
        """A strong validator (RFC 9110, 8.8.3): the same as long as nothing has changed."""
        return f'"{sha256(self.model_dump_json().encode()).hexdigest()[:32]}"'

    @property
    def has_ended(self) -> bool:
        """Whether it does not change any more."""
        return State[self.state.upper()] in FINISHED

    @property
    def retry_after(self) -> int:
        """In how many seconds it pays to ask again."""
        wait = (self.run_at - datetime.now(UTC)).total_seconds() if self.run_at else 0.0
        return min(max(SOON, round(wait)), LATE)


class Teller:
    """Says how one task stands. reasons: whether sentences of outlast and of exceptions are among it, None for as its
    place says."""

    def __init__(self, handle: Handle[Any], ticket: str, scope: Scope, *, reasons: bool | None = None) -> None:
        """Raises NotInstalled where the app has no routes for it."""
        place = place_of(scope, ticket)
        self.handle = handle
        self._reasons = place.tells_reasons if reasons is None else reasons
        self._outcomes = outcomes_of(current())
        self._redact = Redactor(current().settings.redact)
        self._names = {"id": ticket, "status_url": place.status, "events_url": place.events}

    @property
    def may_change_meanwhile(self) -> bool:
        """Whether that can be waited for; in a test's memory nothing runs while somebody waits."""
        return self._outcomes.come_by_waiting

    async def now(self) -> TaskStatus:
        """How it stands. Raises TaskNotFound or JournalUnusable."""
        return await self.told(await self.handle.status())

    async def within(self, seconds: float, known: str = "") -> TaskStatus:
        """How it stands, or will within `seconds`, once it has ended or its ETag is none that is `known`."""
        status = await self.now()
        if seconds and matches(known, status.etag) is bool(known):
            async for record in self.handle.watch(seconds):
                status = await self.told(record)
                if known and not matches(known, status.etag):
                    break
        return status

    async def told(self, record: TaskRecord) -> TaskStatus:
        """What a user is told of what the journal has."""
        result, lost = await self._result(record) if record.state == State.DONE.label else (None, "")
        progress = record.progress
        return TaskStatus.model_validate(
            {
                **self._names,
                "state": record.state,
                "attempt": record.attempt,
                "progress": progress and TaskProgress(done=progress.done, total=progress.total, note=progress.note),
                "created_at": _moment(record.created_at),
                "started_at": _moment(record.started_at),
                "ended_at": _moment(record.ended_at),
                "run_at": _moment(record.run_at),
                "result": result,
                "reason": (lost or record.reason) if self._reasons else "",
            }
        )

    async def _result(self, record: TaskRecord) -> tuple[Any, str]:
        """What it has returned, as JSON has it and without what is secret, or why that is not known."""
        try:
            text = await self._outcomes.told(await self._outcomes.look(Question(self.handle.number)))
        except NoResult as error:
            return None, str(error)
        shown = self._redact.result(record.function, text)
        try:
            return (json.loads(shown, parse_constant=_no_number), "") if shown else (None, "")
        except ValueError:
            return None, shown


def matches(known: str, etag: str) -> bool:
    """Whether `If-None-Match` names an ETag (RFC 9110, 13.1.2), compared weakly."""
    names = [one.strip().removeprefix("W/") for one in known.split(",")]
    return "*" in names or etag in names


def _no_number(name: str) -> None:  # noqa: ARG001 - JSON has no NaN, and none of the infinities
    return None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
