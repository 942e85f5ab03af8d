"""What should not come and does: text that is none, of any length, and objects that do not want to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from hypothesis import strategies as st

NOISE = "\ud800\0\x1b[2J\u202e\n[2026-01-01] forged\r\u2028\x85\x9b"
LETTERS = st.one_of(st.sampled_from(NOISE), st.characters(exclude_categories=()))
SIZES = st.sampled_from([1, 5_000])
TEXTS = st.builds(lambda text, times: text * times, st.text(LETTERS, max_size=40), SIZES)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class Nobody(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Hidden(Exception, metaclass=Nobody):
    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no traceback")

    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no cause")


class Liar(Exception):
    """Says that it is something else."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return SystemExit

    @property
    def __notes__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no notes")


class Sly(str):
    """Text with ideas of its own."""

    def isprintable(self) -> bool:
        return True

    def __len__(self) -> int:
        return 0

    __iter__ = __getitem__ = __add__ = replace = None  # type: ignore[assignment]


def with_sly_text() -> Exception:
    class Told(Exception):
        def __str__(self) -> str:
            return Sly(NOISE)

    return Told()


def deep(depth: int = 3_000) -> Exception:
    error: Exception = ValueError(NOISE)
    for _ in range(depth):
        outer = ValueError("again")
        outer.__cause__, error = error, outer
    return error


def grouped(depth: int = 1_000) -> Exception:
    error: Exception = Mute()
    for _ in range(depth):
        error = ExceptionGroup(NOISE, [error])
    return error


def raising(error: Exception) -> Exception:
    """The same with a traceback."""
    try:
        raise error  # noqa: TRY301 - it shall have a frame
    except Exception:  # noqa: BLE001 - any of those above
        return error


ERRORS: dict[str, Callable[[], Exception]] = {
    "mute": Mute,
    "exits": Exits,
    "hidden": lambda: Hidden(),  # noqa: PLW0108 - the class itself cannot be looked at
    "liar": Liar,
    "sly": with_sly_text,
    "deep": deep,
    "grouped": grouped,
    "noise": lambda: ValueError(NOISE),
    "long": lambda: ValueError(NOISE * 100_000),
    "named": lambda: type("a\n\x1b", (Exception,), {})("x"),
}
