"""Whether a runner serves, drains or leaves: the decision alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlast.runner.lifecycle import PARTING_TIME, Phase, Situation, decide
from outlast.settings.settings import Settings

SETTINGS = Settings(drain=25.0, linger=10.0)
SERVES = Situation(None, stop_signals=0, has_children=True, has_unwritten=False, would_be_replaced=True)
ALONE = Situation(1.0, stop_signals=0, has_children=False, has_unwritten=False, would_be_replaced=False)
TOLD = replace(ALONE, stop_signals=1)


@pytest.mark.parametrize(
    ("now", "stay"),
    [
        (SERVES, Phase.SERVE),
        (ALONE, Phase.LINGER),
        (replace(ALONE, alone=11.0), Phase.LEAVE),
        (replace(ALONE, has_children=True), Phase.DRAIN),
        (replace(ALONE, has_children=True, alone=26.0), Phase.CUT),
        (replace(ALONE, has_unwritten=True, alone=40.0), Phase.DRAIN),
        (replace(ALONE, has_unwritten=True, alone=46.0), Phase.LEAVE),
        (TOLD, Phase.LEAVE),
        (replace(TOLD, has_children=True), Phase.DRAIN),
        (replace(TOLD, would_be_replaced=True), Phase.LINGER),
        (replace(TOLD, would_be_replaced=True, alone=PARTING_TIME + 1), Phase.LEAVE),
        (replace(TOLD, would_be_replaced=True, stop_signals=2), Phase.LEAVE),
        (replace(SERVES, stop_signals=2), Phase.LEAVE),
    ],
)
def test_what_a_runner_does(now: Situation, stay: Phase) -> None:
    assert decide(now, SETTINGS) is stay
