"""Text from elsewhere comes out clean, short and once and for all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.events.processes import LifespanFailed
from outlast.text import MOST_TRACEBACK, NO_TEXT, clean, in_one_line, json_line, one_line, traceback_of
from tests.borders.odd import ERRORS, NOISE, TEXTS, Mute, Sly, raising

MOST = st.integers(100, 3_000)


@given(TEXTS, MOST)
def test_what_comes_out_can_be_stored_and_shown_and_stays_as_it_is(text: str, most: int) -> None:
    for made, kept in ((one_line(text, most), ""), (clean(text, most), "\n\t"), (json_line(text, most), "")):
        assert len(made) <= most
        assert all(letter.isprintable() or letter in kept for letter in made)
        assert made.encode().decode() == made
    assert one_line(one_line(text, most), most) == one_line(text, most)
    assert clean(clean(text, most), most) == clean(text, most)


@given(st.text(), MOST)
def test_what_is_fit_already_is_left_alone(text: str, most: int) -> None:
    if text.isprintable() and len(text) <= most:
        assert one_line(text, most) == clean(text, most) == text


@given(st.text(max_size=50))
def test_a_json_text_says_the_same_when_it_is_escaped(text: str) -> None:
    assert json.loads(json_line(json.dumps({"it": text}, ensure_ascii=False), 10_000)) == {"it": text}


def test_what_was_left_out_is_counted() -> None:
    short = one_line("a" * 1_000 + "b" * 1_000, 100)
    assert short.startswith("aaa") and short.endswith("bbb") and len(short) <= 100
    kept = short.split(" … ")
    assert kept[1] == f"{2_000 - len(kept[0]) - len(kept[2])} characters left out"


def test_what_is_no_text_becomes_none() -> None:
    class Claims:
        __class__ = str  # type: ignore[assignment]

    assert clean(None, 100) == clean(5, 100) == clean(b"x", 100) == clean(Claims(), 100) == ""
    assert one_line(Sly("a\nb"), 100) == "a\\nb"


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_something_can_be_told_of_any_exception(make: type[Exception]) -> None:
    error = raising(make())
    line, text = in_one_line(error), traceback_of(error)
    assert line.isprintable() and line and len(line) <= 2_000
    assert "raising" in text or "left out" in text, "it says where"
    assert len(text) <= MOST_TRACEBACK
    assert all(letter.isprintable() or letter in "\n\t" for letter in text)


def test_an_exception_without_text_says_so() -> None:
    assert in_one_line(Mute()) == f"Mute: {NO_TEXT}"
    assert in_one_line(ValueError()) == "ValueError"


def test_an_exception_in_the_log_forges_no_line(caplog: pytest.LogCaptureFixture) -> None:
    error = raising(ValueError(NOISE))
    LifespanFailed().tell(error)
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[1] is error, "for who wants the exception itself"
    first, *others = caplog.text.splitlines()
    assert str(LifespanFailed()) in first
    assert others and all(line.startswith("    ") and line.isprintable() for line in others)
