"""Task ids as people see and give them."""

from __future__ import annotations

from outlast.errors import TaskNotFound

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
SHOWN_LENGTH = 13
LARGEST_ID = 2**63 - 1


def shown(task_id: int) -> str:
    """The form of an id that people see: 13 letters and digits, sorted by time like the ids themselves."""
    return "".join(_ALPHABET[(task_id >> shift) & 31] for shift in range(60, -1, -5))


def number_of(task: int | str) -> int:
    """The number of a whole id in its shown form; a number stays as it is.

    Raises TaskNotFound for what is no id, and TypeError for what is neither text nor a number.
    """
    if isinstance(task, bool) or not isinstance(task, int | str):
        raise TypeError(f"{task!r:.100} is no id of a task: give handle.id, or handle.number")
    if isinstance(task, int):
        return task
    try:
        low, high = id_range(task)
    except ValueError as error:
        raise TaskNotFound(str(error)) from None
    if low != high:
        raise TaskNotFound(f"{task!r} is only the beginning of a task id: ids have {SHOWN_LENGTH} letters")
    return low


def id_range(prefix: str) -> tuple[int, int]:
    """The lowest and the highest id whose shown form starts with `prefix`.

    Raises ValueError when `prefix` is empty, too long, or has a letter that no id has.
    """
    text = prefix.strip().lower()
    if not 0 < len(text) <= SHOWN_LENGTH or any(letter not in _DIGITS for letter in text):
        is_told = len(text) > SHOWN_LENGTH and text.isalnum()
        more = "; that of a status page, which users of the app are told, begins with it" if is_told else ""
        raise ValueError(f"{prefix!r} is not a task id: ids have up to {SHOWN_LENGTH} of the letters {_ALPHABET}{more}")
    value = 0
    for letter in text:
        value = (value << 5) | _DIGITS[letter]
    shift = 5 * (SHOWN_LENGTH - len(text))
    if value << shift > LARGEST_ID:
        raise ValueError(f"{prefix!r} is not a task id: it is larger than any")
    return value << shift, min(((value + 1) << shift) - 1, LARGEST_ID)
