"""Things that each process makes anew when it imports this, or has for itself, and functions that use them."""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from fastapi import FastAPI

os.environ["ANEW_GIVEN"] = "from outside"

app = FastAPI()
app.state.is_paused = False
KEY = secrets.token_hex(16)
GIVEN = os.environ.get("ANEW_GIVEN") or secrets.token_hex(16)
NOT_GIVEN = os.getenv("ANEW_NOT_GIVEN", secrets.token_urlsafe())
READ = Path(__file__).read_text() or secrets.token_hex(16)
INBOX = Path(tempfile.mkdtemp())
INCOMING = INBOX / "incoming"
SCRATCH = tempfile.mkdtemp()
database = sqlite3.connect(":memory:", check_same_thread=False)
kept = Path(tempfile.gettempdir(), "anew.key")
if not kept.exists():
    kept.write_text(secrets.token_hex(16))


class Settings:
    secret = secrets.token_bytes(16)
    name = "app"


settings = Settings()


class Mailer:
    sent = 0
    log: ClassVar[list[str]] = []
    own: list[str] = []  # noqa: RUF012 - that is what is tried

    def __init__(self) -> None:
        self.own = []

    def count(self) -> None:
        type(self).sent += 1

    def count_by_class(self) -> None:
        self.__class__.sent += 1

    def remember(self, to: str) -> None:
        self.log.append(to)

    def keep(self, to: str) -> None:
        self.own.append(to)
        self.sent += 1


def pause() -> None:
    app.state.is_paused = True


def upload() -> Path:
    return INBOX


def shares_key() -> str:
    return KEY


def shares_key_of_class() -> bytes:
    return settings.secret


def shares_key_not_given() -> str:
    return NOT_GIVEN


def shares_folder() -> bool:
    return INBOX.exists()


def shares_database() -> Any:
    return database.execute("select 1")


def shares_flag() -> bool:
    return bool(app.state.is_paused)


def shares_own_attribute() -> None:
    shares_own_attribute.calls = 1  # type: ignore[attr-defined]


def shares_class_of_new() -> None:
    Mailer().count()


def shares_class_of_new_by_name() -> None:
    mailer = Mailer()
    mailer.count_by_class()


def shares_container_of_class() -> None:
    Mailer().remember("ann")


def free_given() -> str:
    return GIVEN


def free_read() -> str:
    return READ


def free_scratch() -> str:
    return SCRATCH


def free_kept() -> str:
    return kept.read_text()


def free_name() -> str:
    return settings.name


def free_object() -> None:
    Mailer().keep("ann")


def free_fresh_key() -> str:
    return secrets.token_hex(16)


SHARED: dict[Callable[..., Any], str] = {
    shares_key: "reads `KEY` (tests/samples/anew.py:",
    shares_key_of_class: "which each process makes anew at its import: `secrets.token_bytes(16)`",
    shares_key_not_given: "reads `NOT_GIVEN`",
    shares_folder: "`Path(tempfile.mkdtemp())`",
    shares_database: "`sqlite3.connect(':memory:', check_same_thread=False)`",
    shares_flag: "reads `app.state.is_paused`",
    shares_own_attribute: "changes `shares_own_attribute.calls`",
    shares_class_of_new: "changes `type(self).sent`",
    shares_class_of_new_by_name: "changes `self.__class__.sent`",
    shares_container_of_class: "changes `self.log`",
}
FREE = (free_given, free_read, free_scratch, free_kept, free_name, free_object, free_fresh_key)
