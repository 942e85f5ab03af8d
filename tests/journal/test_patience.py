"""Those who wait on an event loop: each as long as it said, by one timer for all."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from outlast.journal.patience import Patience
from outlast.journal.submissions import Submission


def expire(submission: Submission, deadline: float) -> None:
    assert submission.future is not None
    submission.future.set_exception(TimeoutError(str(deadline)))


def handed_in(patience: Patience, deadline: float) -> asyncio.Future[Any]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    patience.line_of(loop).join(loop, Submission((), future, loop), deadline)
    return future


async def ended(future: asyncio.Future[Any], order: list[str]) -> None:
    with pytest.raises(TimeoutError) as late:
        await future
    order.append(str(late.value))


def test_each_waits_as_long_as_it_said() -> None:
    async def main() -> list[str]:
        patience, order = Patience(expire), list[str]()
        waiting = [handed_in(patience, deadline) for deadline in (0.3, 0.01, 0.2, 0.1)]
        await asyncio.gather(*(ended(one, order) for one in waiting))
        return order

    assert asyncio.run(main()) == ["0.01", "0.1", "0.2", "0.3"]


def test_who_has_an_answer_is_not_told_that_it_is_late() -> None:
    async def main() -> None:
        patience = Patience(expire)
        answered, late = handed_in(patience, 0.01), handed_in(patience, 0.02)
        answered.set_result({})
        await ended(late, [])
        assert answered.result() == {}

    asyncio.run(main())


def test_a_thousand_have_one_timer_and_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        patience, loop, made = Patience(expire), asyncio.get_running_loop(), list[float]()
        call_at: Callable[..., asyncio.TimerHandle] = loop.call_at

        def counted(when: float, *args: Any) -> asyncio.TimerHandle:
            made.append(when)
            return call_at(when, *args)

        monkeypatch.setattr(loop, "call_at", counted)
        waiting = [handed_in(patience, 60.0) for _ in range(1000)]
        for one in waiting:
            one.set_result({})
        line = patience.line_of(loop)
        line.leave()
        assert not line._waiting
        return len(made)

    assert asyncio.run(main()) == 1


def test_each_loop_has_a_line_of_its_own_that_goes_with_it() -> None:
    patience = Patience(expire)

    async def answered() -> None:
        handed_in(patience, 60.0).set_result({})
        patience.line_of(asyncio.get_running_loop()).leave()

    for _ in range(3):
        asyncio.run(answered())
    gc.collect()
    assert not patience._lines
