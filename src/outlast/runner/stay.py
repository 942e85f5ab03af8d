"""Whether a runner serves, drains or leaves. Pure: who is there in, what to do out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from outlast.settings import Settings

PARTING_TIME = 5.0  # seconds in which web workers leave that are stopped at the same moment, as systemd stops a service


class Stay(Enum):
    """What a runner does as long as nothing changes."""

    SERVE = "claim and run"
    DRAIN = "let finish what runs, claim nothing"
    CUT = "let what still runs be cut, and leave"
    LINGER = "wait for the next web worker, hold nothing of the last"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the decision needs.

    alone: how many seconds nobody has been there to serve, or it has been told to stop; None while someone is.
    would_be_replaced: whether a web worker is connected that would start another runner at once.
    """

    alone: float | None
    stop_signals: int
    has_children: bool
    has_unwritten: bool
    would_be_replaced: bool


def decide(now: Situation, settings: Settings) -> Stay:
    """A second signal always ends it; one signal is as if the last web worker had gone, without the lingering."""
    if now.stop_signals > 1:
        return Stay.LEAVE
    if now.alone is None:
        return Stay.SERVE
    if now.has_children:
        return Stay.DRAIN if now.alone <= settings.drain else Stay.CUT
    if now.has_unwritten and now.alone <= settings.drain + settings.grace + settings.linger:
        return Stay.DRAIN  # what cannot be written in that time counts as cut at the next start
    if now.stop_signals:
        return Stay.LINGER if now.would_be_replaced and now.alone <= PARTING_TIME else Stay.LEAVE
    return Stay.LEAVE if now.alone > settings.linger else Stay.LINGER
