"""Arguments to JSON and back: what travels comes back the same, what does not is refused with a remedy."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.errors import NotStorable
from outlast.functions.encoding import Codec
from outlast.functions.values import difference, walk
from tests.samples import named
from tests.samples.calls import taking
from tests.samples.types import (
    Camel,
    Card,
    Cash,
    Color,
    Item,
    Level,
    Meeting,
    Options,
    Order,
    Payment,
    Point,
    Remembering,
    Span,
    SpecialItem,
    Stop,
)

MOMENT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def sent(hint: Any, value: Any) -> Any:
    """`value` after the way to JSON and back, as parameter `x` annotated `hint`."""
    codec = Codec(taking(hint))
    (back,), kwargs = codec.decode(codec.encode((value,), {}))
    assert kwargs == {}
    return back


TRAVELS: list[tuple[Any, Any]] = [
    (int, 3),
    (int, 2**80),
    (str, "ü\n\x00"),
    (str | None, None),
    (bool, True),
    (float, 0.1),
    (float, math.inf),
    (bytes, b"\xff\xfe"),
    (bytes, b"abc"),
    (UUID, uuid4()),
    (datetime, MOMENT),
    (datetime, datetime(2026, 1, 1)),
    (date, date(2026, 1, 1)),
    (time, time(8, 30)),
    (timedelta, timedelta(days=1, microseconds=3)),
    (Decimal, Decimal("1.10")),
    (Path, Path("/tmp/x")),
    (re.Pattern, re.compile("a+")),
    (Color, Color.RED),
    (Level, Level.LOW),
    (Literal["a", 1], 1),
    (Item, Item(sku="a")),
    (Order, Order(at=MOMENT, color=Color.BLUE, items=[Item(sku="a", qty=2)], tags={"x", "y"})),
    (Item | SpecialItem, SpecialItem(sku="a")),
    (Camel, Camel(userName="ada")),
    (Remembering, Remembering(shown=1)),
    (Options, Options(1)),
    (Point, Point(1, 2)),
    (list[Item], [Item(sku="a"), Item(sku="b")]),
    (dict[str, UUID], {"a": uuid4()}),
    (dict[int, str], {1: "a"}),
    (set[int], {1, 2}),
    (frozenset[str], frozenset({"a"})),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (Iterable[int], [1, 2]),
    (Sequence[str], ["a"]),
    (Any, {"a": [1, 2.5, None, True, "x", {"b": []}]}),
    (inspect.Parameter.empty, [1, {"a": None}]),
    ("NoSuchName", {"a": 1}),
    (Payment, Card(number="1")),
    (Payment, Cash()),
    (list[Payment], [Cash(euros=1), Card()]),
    (Cash | Card, Card()),
    (Any, MOMENT),
    (Any, date(2026, 1, 1)),
    (Any, time(8, 30)),
    (Any, timedelta(days=-1, microseconds=3)),
    (Any, uuid4()),
    (Any, Decimal("1.10")),
    (Any, Path("/tmp/x")),
    (Any, b"\xff\xfe"),
    (dict[str, Any], {"id": uuid4(), "prices": [Decimal("1.10"), 1.5, "1.10"], "at": {"when": MOMENT}}),
    (deque[int], deque([1, 2])),
]


@pytest.mark.parametrize(("hint", "value"), TRAVELS)
def test_travels_unchanged(hint: Any, value: Any) -> None:
    back = sent(hint, value)
    assert back == value
    assert type(back) is type(value)


def test_nan_travels() -> None:
    assert math.isnan(sent(float, math.nan))
    assert math.isnan(sent(list[float], [math.nan])[0])


class NotAnnotated(Exception): ...


@pytest.mark.parametrize("raised", [ImportError, AssertionError, OSError, NotAnnotated, NotImplementedError])
def test_an_annotation_of_which_pydantic_makes_nothing_says_nothing(raised: type[Exception]) -> None:
    """As `EmailStr` without the package that looks at addresses: FastAPI alone asks no annotation of a task."""

    class Odd:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
            raise raised("of the library")

    assert sent(Odd, "a@example.org") == "a@example.org"


def test_int_travels_as_the_float_that_its_annotation_says() -> None:
    assert sent(float, 5) == 5.0


def test_offset_of_a_moment_is_kept() -> None:
    berlin = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert sent(datetime, berlin).utcoffset() == timedelta(hours=2)


PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 3, 28, 12, tzinfo=PARIS)  # the night after it is an hour shorter
IN_A_ZONE: list[tuple[Any, Any]] = [
    (datetime, NOON),
    (datetime, datetime(2026, 7, 1, tzinfo=ZoneInfo("UTC"))),
    (datetime, datetime(2026, 3, 29, 2, 30, tzinfo=PARIS)),  # left out by the clocks of Paris
    (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)),  # there twice
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=PARIS)),
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1)),
    (time, time(2, 30, tzinfo=PARIS)),
    (time, time(2, 30, fold=1, tzinfo=PARIS)),
    (Any, NOON),
    (dict, {"days": [NOON, MOMENT, datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))]}),
    (list[datetime], [MOMENT, NOON]),
    (tuple[datetime, ...], (MOMENT, NOON)),
    (dict[int, datetime], {3: NOON}),
    (Meeting, Meeting(at=NOON, until=time(1, tzinfo=PARIS))),  # type: ignore[call-arg]
    (Span, Span(NOON, MOMENT)),
    (Stop, Stop("a", NOON)),
    (deque[Stop], deque([Stop("a", NOON)])),
]


def moments(value: Any) -> list[Any]:
    """What tells moments apart, though they be equal: their zone, and which of two they are."""
    found = [inner for _, inner in walk(value) if isinstance(inner, (datetime, time))]
    return [
        (one.tzinfo, one.fold if one.utcoffset() is None else one.utcoffset(), one.replace(fold=0)) for one in found
    ]


@pytest.mark.parametrize(("hint", "value"), IN_A_ZONE)
def test_a_time_zone_travels_with_its_moment(hint: Any, value: Any) -> None:
    back = sent(hint, value)
    assert (type(back), moments(back)) == (type(value), moments(value))


def test_a_day_later_is_the_same_time_of_day() -> None:
    assert sent(datetime, NOON) + timedelta(days=1) == datetime(2026, 3, 29, 12, tzinfo=PARIS)


def test_a_zone_of_a_private_attribute_is_not_made_up() -> None:
    meeting = Meeting(at=NOON)
    assert sent(Meeting, meeting) == meeting


def test_what_json_does_not_say_is_written_beside_the_arguments() -> None:
    text = Codec(taking(Any)).encode(({"file": Path("/tmp/a"), "at": NOON},), {})
    assert json.loads(text) == {
        "x": {"file": "/tmp/a", "at": "2026-03-28T12:00:00+01:00"},
        "@marks": {"Path": [["x", "file"]], "datetime": [["x", "at"]], "zone Europe/Paris": [["x", "at"]]},
    }


@pytest.mark.parametrize(
    ("marks", "problem"),
    [
        ('{"zone Middle/Earth": [["x"]]}', "install tzdata"),
        ('{"zone America": [["x"]]}', "install tzdata"),
        ('{"zone ../secret": [["x"]]}', "install tzdata"),
        ('{"subprocess.Popen": [["x"]]}', "add the task anew"),
        ('{"UUID": [["x"]]}', "add the task anew"),
        ('{"UUID": "x"}', "add the task anew"),
        ("null", "add the task anew"),
        ('{"function": [["x"]]}', "no function of the project"),
        ('{"function": [["y"]]}', "where none can be passed"),
        ('{"function": [["x", 0]]}', "where none can be passed"),
    ],
)
def test_marks_that_mean_nothing_here_are_refused(marks: str, problem: str) -> None:
    with pytest.raises(NotStorable, match=problem):
        Codec(taking(Any)).decode(f'{{"x": "2026-01-01T00:00:00Z", "@marks": {marks}}}')


@pytest.mark.parametrize("place", ['["x", "gone", "at"]', '["x", 5]', '["gone"]', '["x", "id", 0]'])
def test_marks_of_what_older_code_had_are_passed_over(place: str) -> None:
    text = f'{{"x": {{"id": 3}}, "@marks": {{"datetime": [{place}], "zone Europe/Paris": [{place}]}}}}'
    assert Codec(taking(Any)).decode(text) == (({"id": 3},), {})


def test_fields_that_were_not_set_stay_unset() -> None:
    assert sent(Item, Item(sku="a")).model_fields_set == {"sku"}


def test_default_factory_does_not_make_another_value() -> None:
    order = Order(at=MOMENT, color=Color.RED, items=[])
    assert sent(Order, order).id == order.id


CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (named.plain, (1,), {}),
    (named.plain, (), {"number": 1}),
    (named.variadic, (1,), {}),
    (named.variadic, (1, 2, 3), {"flag": True, "note": "x", "named": "y", "rest": "z"}),
    (named.positional, (1,), {}),
    (named.positional, (1, 5), {"d": 6}),
    (named.positional, (1,), {"c": 7}),
    (named.positional, (1, 5, 6), {"d": 7}),
    (named.awkward, (1, "a", 2, 3, 4, 5, 6, 7), {}),
    (named.decorated, (1,), {"text": "x"}),
    (named.Mailer, ("example.org",), {}),
    (named.Mailer.build, ("example.org",), {}),
    (named.unresolved, (1, {"any": "thing"}), {"text": "x"}),
    (named.oddly_annotated, (1, {"any": "thing"}, [6]), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_call_comes_back_as_it_was(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    codec = Codec(function)
    args_back, kwargs_back = codec.decode(codec.encode(args, kwargs))
    signature = inspect.signature(function)
    assert signature.bind(*args_back, **kwargs_back) == signature.bind(*args, **kwargs)


def test_defaults_are_those_of_the_code_that_runs() -> None:
    text = Codec(named.positional).encode((1,), {})
    assert json.loads(text) == {"a": 1}


WRONG_CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (named.plain, (), {}, "missing a required argument: 'number'"),
    (named.plain, (1, 2), {}, "too many positional arguments"),
    (named.plain, (1,), {"other": 1}, "got an unexpected keyword argument 'other'"),
    (named.plain, (1,), {"number": 1}, "multiple values for argument 'number'"),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "problem"), WRONG_CALLS)
def test_refuses_a_call_that_does_not_fit(function: Callable[..., Any], args: Any, kwargs: Any, problem: str) -> None:
    with pytest.raises(NotStorable) as refused:
        Codec(function).encode(args, kwargs)
    assert problem in str(refused.value)
    assert "tests.samples.named:plain: " in str(refused.value)
    assert "(number: 'int') -> 'int'" in str(refused.value)


def test_hint_that_resolves_is_checked_beside_one_that_does_not() -> None:
    with pytest.raises(NotStorable, match="parameter `known` is annotated `int`"):
        Codec(named.unresolved).encode(("3", None), {})


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ('{"a": 1, "gone": 2}', "at `gone`"),
        ("{}", "at `a`"),
        ('{"a": "1"}', "at `a`"),
        ("no json", "Invalid JSON"),
    ],
)
def test_arguments_stored_for_another_signature_are_refused(stored: str, problem: str) -> None:
    with pytest.raises(NotStorable, match="stored for another version") as refused:
        Codec(named.positional).decode(stored)
    assert problem in str(refused.value)


ITEMS = st.builds(Item, sku=st.text(), qty=st.integers(), price=st.decimals(allow_nan=False, allow_infinity=False))
MOMENTS = st.datetimes(timezones=st.just(UTC) | st.none())
ORDERS = st.builds(
    Order,
    id=st.uuids(),
    at=MOMENTS,
    color=st.sampled_from(Color),
    items=st.lists(ITEMS, max_size=3),
    tags=st.sets(st.text(max_size=5), max_size=3),
)
PLAIN_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def everything(
    order: Order,
    data: bytes,
    span: timedelta,
    amounts: tuple[float, ...] = (),
    *ids: UUID,
    option: Options | None = None,
    loose: Any = None,
    **days: date,
) -> None: ...


EVERYTHING = Codec(everything)


@settings(max_examples=100)
@given(
    positional=st.tuples(ORDERS, st.binary(), st.timedeltas(), st.lists(st.floats()).map(tuple)),
    ids=st.lists(st.uuids(), max_size=3),
    named=st.fixed_dictionaries(
        {},
        optional={
            "option": st.none() | st.builds(Options, st.integers(), st.text()),
            "loose": PLAIN_JSON,
            "day": st.dates(),
            "data_": st.dates(),
        },
    ),
)
def test_whatever_is_accepted_comes_back(positional: Any, ids: list[UUID], named: dict[str, Any]) -> None:
    args = (*positional, *ids)
    assert difference((args, named), EVERYTHING.decode(EVERYTHING.encode(args, named))) is None


@settings(max_examples=200)
@given(
    value=PLAIN_JSON | st.dictionaries(st.integers() | st.booleans(), PLAIN_JSON) | st.dates() | st.tuples(PLAIN_JSON)
)
def test_never_changed_in_silence(value: Any) -> None:
    """Whatever is passed without an annotation either is refused or comes back the same."""
    codec = Codec(taking(Any))
    try:
        text = codec.encode((value,), {})
    except NotStorable:
        return
    ((back,), _) = codec.decode(text)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        (1, True, ()),
        (1, 1.5, ()),
        (1.0, 1, ()),
        ({"a": [1, 2]}, {"a": [1, 3]}, ("a", 1)),
        ({"a": 1}, {"a": 1, "b": 2}, ()),
        ({1: "a"}, {True: "a"}, ()),
        ({1, 2}, {True, 2}, ()),
        ([1], [1, 2], ()),
        ((1,), [1], ()),
        (MOMENT, MOMENT.astimezone(ZoneInfo("Asia/Tokyo")), ()),
        (Options(1), Options(1, "y"), ("label",)),
        (Item(sku="a"), Item(sku="b"), ("sku",)),
        (0.0, math.nan, ()),
        (MOMENT, MOMENT.replace(tzinfo=ZoneInfo("UTC")), ()),
        (NOON, datetime.fromisoformat(NOON.isoformat()), ()),
        (time(1, tzinfo=PARIS), time(1), ()),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, fold=1), ()),
        (deque([1], maxlen=2), deque([1]), ()),
        (defaultdict(int, a=1), defaultdict(None, a=1), ()),
    ],
)
def test_difference_finds_the_place(one: Any, other: Any, place: tuple[Any, ...]) -> None:
    assert difference(one, other) == place
    assert difference(one, one) is None


def plain(text: str, number: int = 0, flag: bool = False) -> None: ...
def not_only_plain(text: str, number: int = 0, flag: bool = False, *, other: Any = None) -> None: ...


PLAIN_CODEC, OTHER_CODEC = Codec(plain), Codec(not_only_plain)
ANYTHING = st.one_of(
    st.text(st.characters(exclude_categories=())), st.integers(), st.booleans(), st.floats(), st.none(), st.just([{}])
)
ROWS = st.dictionaries(st.sampled_from(["text", "number", "flag", "@marks", "more"]), ANYTHING).flatmap(
    lambda row: st.booleans().map(lambda ascii_only: json.dumps(row, ensure_ascii=ascii_only))
)
BROKEN = ["", "[]", "{", '{"text":1}', '{"text":"a","text":"b"}', '{"text":"\\ud800"}', "[" * 100_000, "null", "{} {}"]
HUGE = f'{{"text":"a","number":{"9" * 5_000}}}'


def read_by(codec: Codec, text: str) -> Any:
    try:
        args, kwargs = codec.decode(text)
    except NotStorable:
        return "refused"
    return [(type(one), one) for one in args], kwargs


@given(text=st.one_of(ROWS, st.sampled_from([*BROKEN, HUGE]), ROWS.map(lambda row: row[1:])))
@settings(max_examples=300)
def test_plain_arguments_are_read_as_those_that_need_a_closer_look(text: str) -> None:
    assert read_by(PLAIN_CODEC, text) == read_by(OTHER_CODEC, text)
