"""How many task processes there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlast.runner.scaling import Capacity, Move, next_move

NOBODY = Capacity(
    shared=0,
    usable=0,
    is_beginning=False,
    is_crowded=False,
    alone=0,
    ready_spares=0,
    begun_spares=0,
    coming=0,
    alone_waits=False,
)
AT_WORK = replace(NOBODY, shared=1, usable=1, ready_spares=1)


@pytest.mark.parametrize(
    ("capacity", "move"),
    [
        (NOBODY, Move.START),
        (replace(NOBODY, coming=1), Move.NOTHING),
        (replace(NOBODY, ready_spares=1), Move.PROMOTE),
        (replace(AT_WORK, ready_spares=0), Move.START),
        (AT_WORK, Move.NOTHING),
        (replace(AT_WORK, usable=0), Move.PROMOTE),
        (replace(AT_WORK, is_crowded=True), Move.PROMOTE),
        (replace(AT_WORK, shared=2, is_crowded=True), Move.NOTHING),
        (replace(AT_WORK, shared=2, usable=0), Move.NOTHING),
        (replace(NOBODY, shared=1, is_beginning=True), Move.NOTHING),
        (replace(NOBODY, shared=1, is_beginning=True, ready_spares=1), Move.NOTHING),
        (replace(AT_WORK, alone_waits=True), Move.BEGIN),
        (replace(AT_WORK, alone_waits=True, begun_spares=1), Move.START),
        (replace(AT_WORK, alone_waits=True, ready_spares=0), Move.START),
        (replace(AT_WORK, alone_waits=True, begun_spares=1, coming=1), Move.NOTHING),
        (replace(AT_WORK, alone_waits=True, alone=3), Move.NOTHING),
    ],
)
def test_next_move(capacity: Capacity, move: Move) -> None:
    assert next_move(capacity, max_children=2, max_alone=3, spares=1) is move


def test_without_spares_only_what_is_needed_is_started() -> None:
    capacity = replace(AT_WORK, ready_spares=0)
    assert next_move(capacity, max_children=2, max_alone=3, spares=0) is Move.NOTHING
    assert next_move(replace(capacity, alone_waits=True), max_children=2, max_alone=3, spares=0) is Move.START
