"""The steps that every attempt goes through, wherever it runs: what is put around its call, and how it is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from outlast.tasks.outcome import Cut, Raised, Returned
from outlast.tasks.pipeline import Ending, Reported, around


class Told(Reported):
    """Writes down what it is asked; telling the app fails."""

    keeps = Exception

    def __init__(self) -> None:
        self.said: list[object] = []

    def __enter__(self) -> list[object]:
        return self.said

    def judge(self, error: BaseException | None) -> Ending | None:
        if isinstance(error, LookupError):
            return None
        return Returned() if error is None else Raised(str(error), "") if isinstance(error, Exception) else Cut("")

    def record(self, ending: Ending) -> None:
        self.said.append(ending)

    def tell(self, ending: Ending, error: BaseException | None) -> None:
        self.said.append((ending, error))
        raise RuntimeError("a handler of the app's")


def test_an_end_is_recorded_whatever_becomes_of_telling_it() -> None:
    with Told() as said:
        pass
    assert said == [Returned(), (Returned(), None)]
    error = ValueError("no")
    with Told() as said:
        raise error
    assert said == [Raised("no", ""), (Raised("no", ""), error)]


@pytest.mark.parametrize(("error", "ending"), [(KeyboardInterrupt(), [Cut("")]), (KeyError(), [])], ids=type)
def test_what_is_not_kept_goes_on_its_way(error: BaseException, ending: list[Ending]) -> None:
    told = Told()
    with pytest.raises(type(error)), told:
        raise error
    assert told.said[:1] == ending


def test_blocks_are_nested_in_their_order_and_left_when_the_call_fails() -> None:
    seen: list[str] = []

    @contextmanager
    def block(name: str) -> Iterator[None]:
        seen.append(name)
        try:
            yield
        finally:
            seen.append(f"/{name}")

    with pytest.raises(ValueError, match="inside"), around([block("a"), None, block("b")]):
        raise ValueError("inside")
    assert seen == ["a", "b", "/b", "/a"]
    with around([None, None]):
        seen.append("nothing around")
    assert seen[-1] == "nothing around"
