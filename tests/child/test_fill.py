"""How full a process is that may take only so much memory. Pure."""

from __future__ import annotations

from outlast.child.memory import FULL, PATIENCE, STEP, Fill

LIMIT = 100 << 20


def test_there_is_no_reserve_for_what_still_grows() -> None:
    fill = Fill(LIMIT)
    for size in range(LIMIT - FULL + 1, LIMIT, FULL // 20):
        fill.look(size)
        assert not fill.needs_reserve
        assert not fill.has_grown


def test_there_is_a_reserve_for_what_is_full_and_goes_on_until_it_has_shrunk() -> None:
    fill = Fill(LIMIT)
    for _ in range(PATIENCE):
        fill.look(LIMIT - 1)
        assert not fill.needs_reserve
    fill.look(LIMIT - 1)
    assert fill.needs_reserve
    fill.look(LIMIT + STEP)
    assert fill.needs_reserve
    fill.look(LIMIT // 2)
    assert not fill.needs_reserve


def test_growth_beyond_the_limit_is_said_once_each_step() -> None:
    fill, said = Fill(LIMIT), []
    for size in (LIMIT, LIMIT + STEP, LIMIT + STEP + 1, LIMIT + STEP + 2, LIMIT + 2 * STEP + 2):
        fill.look(size)
        said.append(fill.has_grown)
    assert said == [False, False, True, False, True]
