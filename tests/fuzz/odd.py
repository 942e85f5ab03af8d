"""Odd input, made from a seed: what people, scrapers and attackers send."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

ERRORS = (
    *("plain", "mute", "unprintable", "not-text", "chained", "noted", "named", "group", "long", "base", "unicode"),
    "exit",
)
FORGED = "2026-01-01 00:00:00 [ERROR] outlast: FORGED"
PIECES: Sequence[str] = (
    *("\ud800", "\udce9", "\udfff\ud800", "\0", "\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\r", "\x08\x08", "\x7f"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\x85", f"\n{FORGED}\n", f"\r\n{FORGED}", "\t"),
    *(
        "%s%n%d",
        "{0.__class__}",
        "$(id)",
        "'; DROP TABLE task;--",
        "<script>",
        "../../etc/passwd",
        "main:keep",
        "\U0001f4a9",
    ),
    *("é", "ß", "", " ", "NULL", "true", "0", "-1", "9" * 400),
)
LONGEST = 200_000  # characters


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the raw bytes that go over the socket. `number` is in its path; `door` says what it is for."""

    number: int
    door: str
    raw: bytes


def requests(seed: int) -> Callable[[int], Request]:
    """Makes request `number` of a run, always the same one for a seed."""

    def make(number: int) -> Request:
        chance = random.Random(f"{seed}-{number}")  # noqa: S311 - nothing is secret here
        door = chance.choices(("keep", "fail", "inline", "refuse", "answer"), (5, 4, 1, 1, 1))[0]
        kind = f"/{chance.choice(_kinds(door))}" if door in ("fail", "inline") else ""
        path = f"/{door}{kind}/{number}/".encode() + quote_from_bytes(odd_bytes(chance)[:2000], safe="").encode()
        body = json.dumps(odd_value(chance), ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        header = bytes(one for one in odd_bytes(chance)[:2000] if one >= 0x20 and one != 0x7F)
        return Request(number, door, _post(path, header, body))

    return make


def odd_text(chance: random.Random) -> str:
    """Some of the pieces; now and then very long."""
    text = "".join(chance.choices(PIECES, k=chance.randrange(6)))
    return (text or "x") * (LONGEST // max(1, len(text))) if chance.random() < 0.01 else text


def odd_bytes(chance: random.Random) -> bytes:
    """The same as bytes, which need not be UTF-8."""
    return chance.randbytes(20) if chance.random() < 0.2 else odd_text(chance).encode("utf-8", "surrogatepass")


def odd_value(chance: random.Random, depth: int = 0) -> Any:
    """Something that JSON can say, or that Python's JSON says."""
    makers: Sequence[Callable[[], Any]] = (
        lambda: odd_text(chance),
        lambda: chance.choice((0, -0.0, 1e308, -(2**63), 2**63, 10**300, float("inf"), float("nan"), None, True)),
        lambda: [odd_value(chance, depth + 1) for _ in range(chance.randrange(4))] if depth < 4 else [],
        lambda: {odd_text(chance): odd_value(chance, depth + 1)} if depth < 4 else {},
        lambda: _nested(chance.choice((10, 100, 400))),
    )
    return chance.choices(makers, (6, 3, 1, 1, 0.1))[0]()


def _kinds(door: str) -> Sequence[str]:
    """What ends the request itself would end a web worker with FastAPI alone, too."""
    return ERRORS if door == "fail" else [kind for kind in ERRORS if kind not in ("exit", "base")]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _post(path: bytes, header: bytes, body: bytes) -> bytes:
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nx-odd: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (path, header, len(body)) + body
