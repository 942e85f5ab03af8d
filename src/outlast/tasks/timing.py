"""When a schedule ticks. Pure, but for the zone data of this machine, and the library that reads cron text."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Any

from outlast.errors import OptionError
from outlast.tasks.policy import seconds
from outlast.text import as_text

LEAST = 1.0  # seconds between two ticks
MOST_TEXT = 200  # characters of cron text, and of the name of a zone
_A_LITTLE = 0.001  # seconds: two ticks are further apart
_FIRST_LOOK = 60.0  # seconds
_WIDER = 4  # times as far back goes the next look


@dataclass(frozen=True, slots=True)
class Timing:
    """Ticks as `cron` says in the zone `tz`, or else at whole multiples of `seconds` since the epoch.

    So a tick is the same one for everybody who works it out. What was read or given is checked by `timing`.
    """

    cron: str = ""
    tz: str = "UTC"
    seconds: float = 0.0

    def after(self, at: float) -> float | None:
        """The first tick behind `at` (both in seconds since the epoch); None if there is none in fifty years.

        Where clocks are set forth, a tick of the hour that is not there comes right behind it. Where they are set back,
        what has an hour of its own ticks once, in the first of the two hours; what ticks in any hour goes on.
        """
        return next((tick for tick in self._from(at) if tick > at), None)

    def newest(self, first: float, now: float, most: int) -> list[float]:
        """The newest ticks from `first` up to `now`, in order; at most `most`. It takes no longer if there are more."""
        back = _FIRST_LOOK
        while True:
            begin = max(first, now - back)
            until_now = takewhile(lambda tick: tick <= now, self._from(begin - _A_LITTLE))
            found = deque((tick for tick in until_now if tick >= begin), maxlen=most)
            if begin == first or len(found) == most:
                return list(found)
            back *= _WIDER

    def _from(self, at: float) -> Iterator[float]:
        """Behind `at`, but for ticks before it that the library gives where clocks are set back."""
        if not self.cron:
            return self._multiples(at)
        return _of_cron(self.cron, datetime.fromtimestamp(math.floor(at), zone(self.tz)))

    def _multiples(self, at: float) -> Iterator[float]:
        number = math.floor(at / self.seconds)
        while True:
            number += 1
            yield number * self.seconds

    def words(self) -> str:
        """For people, such as `every 30 s` or `At 06:00, Monday to Friday (Europe/Berlin)`."""
        if not self.cron:
            return f"every {self.seconds:g} s"
        from cronsim import CronSim, CronSimError

        try:
            return f"{CronSim(self.cron, datetime.now(UTC)).explain()} ({self.tz})"
        except (CronSimError, ValueError):
            return f"{self.cron} ({self.tz})"

    def text(self) -> str:
        """As the journal has it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Timing:
        """Raises ValueError, of which OptionError is one, for what is no timing."""
        try:
            given = json.loads(text)
            return timing(given["cron"] or None, given["seconds"] or None, given["tz"])
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a timing: {error!r}") from error


def timing(cron: str | None, every: float | timedelta | None, tz: str | None = None) -> Timing:
    """From what people give: either of the two, and a zone for cron text. Raises OptionError."""
    if (cron is None) == (every is None) or not (cron is None or isinstance(cron, str)):
        given = "" if cron is None or isinstance(cron, str) else f", not {cron!r:.100}"
        raise OptionError(f"say when: every('0 6 * * mon-fri') as cron has it, or every(seconds=30){given}")
    if cron is None:
        if tz not in (None, "UTC"):
            raise OptionError("'tz' is the zone of cron text: every(seconds=...) has none")
        return Timing(seconds=seconds("seconds", every, least=LEAST))
    found = Timing(_checked_text("cron", cron), _checked_text("tz", tz or "UTC"))
    zone(found.tz)
    if _first_of(found) is None:
        raise OptionError(f"cron text {cron!r} never comes to pass")
    return found


def zone(name: str) -> tzinfo:
    """Raises OptionError for one that this machine does not know."""
    if name == "UTC":
        return UTC  # which takes no file
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # OSError: for the name of a folder
        raise OptionError(
            f"'tz' is {name!r}, which is no time zone that this machine knows: give one such as 'Europe/Berlin', and "
            "install the package tzdata where the system has no zones"
        ) from error


def _first_of(found: Timing) -> float | None:
    from cronsim import CronSimError

    try:
        return found.after(datetime.now(UTC).timestamp())
    except (CronSimError, ValueError) as error:
        raise OptionError(
            f"cron text {found.cron!r} cannot be read ({error}): write it such as '0 6 * * mon-fri'"
        ) from error


def _of_cron(text: str, at: datetime) -> Iterator[float]:
    from cronsim import CronSim

    return (tick.timestamp() for tick in CronSim(text, at))


def _checked_text(name: str, given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= MOST_TEXT or not given.isprintable():
        raise OptionError(f"{name!r} is {given!r:.100}, but it has to be text of at most {MOST_TEXT} characters")
    return as_text(given)
