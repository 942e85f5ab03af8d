"""The values of context variables on their way to another process: what comes back is what was there, or it is said."""

from __future__ import annotations

import decimal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import sniffio
import trio  # noqa: F401 - it has a name for it

from outlast.functions.context.carrier import MOST_OF_ALL, Carrier, Packed
from outlast.functions.context.carry import Carry
from outlast.source.sources import Sources
from tests.samples.contexts import Outer


class Role(StrEnum):
    ADMIN = "admin"


@dataclass(frozen=True)
class User:
    name: str
    roles: frozenset[Role]


class Current:
    role: ContextVar[Role] = ContextVar("role")
    _hidden: ContextVar[int] = ContextVar("hidden")


class Holder:
    def __init__(self) -> None:
        self.variable: ContextVar[int] = ContextVar("held")


tenant: ContextVar[str] = ContextVar("tenant")
user: ContextVar[User | None] = ContextVar("user", default=None)
unannotated = ContextVar[Any]("unannotated")
holder = Holder()
outer = Outer()
NOBODYS = [ContextVar[str]("nobodys")]
A_USER = User("ann", frozenset({Role.ADMIN}))
MOMENT = datetime(2026, 11, 26, tzinfo=UTC)


def packed(values: Mapping[ContextVar[Any], object], carry: Carry = True) -> Packed:
    def set_all() -> None:
        for variable, value in values.items():
            variable.set(value)

    context = Context()
    context.run(set_all)
    return Carrier(Sources(), carry).pack(context)


def unpacked(text: str | None, look: Callable[[], object], carry: Carry = True) -> tuple[list[str], object]:
    """The complaints, and what `look` sees then, as in another process."""

    def run() -> tuple[list[str], object]:
        return Carrier(Sources(), carry).unpack(text or "{}"), look()

    return Context().run(run)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (tenant, "acme"),
        (tenant, "Zürich \ud800"),
        (tenant, None),  # not what its annotation says, and kept all the same
        (user, A_USER),
        (user, None),
        (Current.role, Role.ADMIN),
        (Current._hidden, 10**30),
        (holder.variable, 1),
        (outer.variable, "its class is of another module"),
        (unannotated, {"at": MOMENT, "id": UUID(int=5), "more": [1.5, None, True]}),
        (unannotated, [{"a": b"\xff"}]),
    ],
)
def test_what_is_set_comes_back(variable: ContextVar[Any], value: object) -> None:
    sent = packed({variable: value})
    assert sent.left == ()
    complaints, seen = unpacked(sent.text, variable.get)
    assert (complaints, seen, type(seen)) == ([], value, type(value))


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        (unannotated, A_USER, "is a User, which would come back as a dict: say what it holds, `ContextVar[...]`"),
        (unannotated, (1, 2), "is a tuple, which would come back as a list"),
        (unannotated, object(), "is an instance of builtins.object, which cannot travel to another process"),
        (unannotated, User, "is a class, which a context variable cannot carry"),
        (unannotated, {1: 2}, "is a dict that comes back with another value (a key is not a str, or a validator or "),
        (unannotated, sys.exit, "is a function, which a context variable cannot carry to another process"),
        (unannotated, [[number] for number in range(600)], "holds more than 1000 values: keep a key in it"),
        (tenant, "x" * 16_400, "holds 17 KiB of JSON, more than the 16 KiB that travel"),
        (tenant, "x" * 20_000, "holds 20 KiB of JSON, more than the 16 KiB that travel"),
    ],
)
def test_what_cannot_travel_is_left_with_a_reason(variable: ContextVar[Any], value: object, why: str) -> None:
    sent = packed({variable: value, holder.variable: 1})
    (left,) = sent.left
    assert (left.found.variable, left.why.startswith(why)) == (variable, True), left.why
    assert unpacked(sent.text, holder.variable.get) == ([], 1)


def test_all_together_is_not_more_than_a_row_should_hold() -> None:
    values = dict.fromkeys([tenant, unannotated, user], "x" * 15_000)
    sent = packed(values)
    assert len(sent.left) == 1
    assert "more than 32 KiB" in sent.left[0].why
    assert len(sent.text or "") <= MOST_OF_ALL + 100


def test_a_variable_that_no_module_holds_goes_if_it_is_listed() -> None:
    (nobodys,) = NOBODYS
    assert packed({nobodys: "here"}) == Packed()
    carry: Carry = {nobodys: True}
    sent = packed({nobodys: "here"}, carry)
    assert unpacked(sent.text, nobodys.get, carry) == ([], "here")


@pytest.mark.parametrize("carry", [False, {tenant: False}, {f"{__name__}:tenant": False}, {"tests": False}])
def test_what_is_left_out_does_not_go(carry: Carry) -> None:
    assert packed({tenant: "acme"}, carry) == Packed()


def test_what_sniffio_keeps_does_not_go_by_the_name_that_trio_has_for_it() -> None:
    assert vars(sys.modules["trio._threads"])["current_async_library_cvar"] is sniffio.current_async_library_cvar
    assert packed({sniffio.current_async_library_cvar: "asyncio"}) == Packed()


def test_the_narrowest_word_counts() -> None:
    assert packed({tenant: "acme", user: None}, {"tests": False, tenant: True}).text == (
        f'{{"{__name__}:tenant":{{"value": "acme"}}}}'
    )


@pytest.mark.parametrize(
    "path",
    [
        "not.imported:tenant",
        f"{__name__}:A_USER",
        f"{__name__}:missing",
        "outlast.web.current:current_box",
        "carry:nobodys",
        "",
    ],
)
def test_a_row_imports_nothing_and_sets_nothing_but_such_variables(path: str) -> None:
    before = set(sys.modules)
    complaints, _ = unpacked(f'{{"{path}": {{"value": 1}}}}', lambda: None)
    assert len(complaints) == 1
    assert "is not set for its task" in complaints[0]
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "stored", ["5", "null", '{"value": [1], "@marks": {"function": [["value"]]}}', '{"value": 1, "other": 2}']
)
def test_what_a_hand_has_written_is_said_and_costs_nothing_else(stored: str) -> None:
    text = f'{{"{__name__}:user": {stored}, "{__name__}:tenant": {{"value": "acme"}}}}'
    complaints, seen = unpacked(text, tenant.get)
    assert (len(complaints), seen) == (1, "acme")


def test_the_values_of_structlog_come_along() -> None:
    structlog: ModuleType = pytest.importorskip("structlog.contextvars")

    def set_all() -> None:
        structlog.bind_contextvars(request_id="r-1", gone=1)
        structlog.unbind_contextvars("gone")

    context = Context()
    context.run(set_all)
    sent = Carrier(Sources()).pack(context)
    assert unpacked(sent.text, structlog.get_contextvars) == ([], {"request_id": "r-1"})
    assert Carrier(Sources(), {"structlog": False}).pack(context) == Packed()


@pytest.fixture
def in_span() -> Iterator[tuple[Context, int]]:
    """A context with a span and baggage, and the id of its trace."""
    from opentelemetry import baggage, context, trace
    from opentelemetry.sdk.trace import TracerProvider

    span = TracerProvider().get_tracer("test").start_span("request")
    inside = Context()
    inside.run(lambda: context.attach(baggage.set_baggage("tenant", "acme", trace.set_span_in_context(span))))
    yield inside, span.get_span_context().trace_id
    span.end()


def test_the_trace_and_its_baggage_come_along(in_span: tuple[Context, int]) -> None:
    from opentelemetry import baggage, trace

    context, trace_id = in_span
    sent = Carrier(Sources()).pack(context)
    seen = unpacked(sent.text, lambda: (trace.get_current_span().get_span_context().trace_id, baggage.get_all()))
    assert seen == ([], (trace_id, {"tenant": "acme"}))


def test_a_dict_with_members_of_an_enum_as_keys_comes_along() -> None:
    """As starlette-context has it."""
    sent = packed({unannotated: {Role.ADMIN: 1}})
    assert unpacked(sent.text, lambda: unannotated.get()[Role.ADMIN]) == ([], 1)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("starlette_context", "_request_scope_context_storage", {"X-Request-ID": "r-1"}),
        ("asgi_correlation_id.context", "correlation_id", "r-1"),
    ],
)
def test_libraries_whose_modules_hold_a_variable_need_nothing_else(module: str, name: str, value: object) -> None:
    variable: ContextVar[object] = getattr(pytest.importorskip(module), name)
    sent = packed({variable: value})
    assert unpacked(sent.text, variable.get) == ([], value)


def test_the_tags_the_user_and_the_trace_of_sentry_come_along_and_go_with_the_task() -> None:
    sentry: ModuleType = pytest.importorskip("sentry_sdk")
    told: list[dict[str, Any]] = []
    # its integrations patch threads and pools for good: for the tests after this one, too
    sentry.init(
        dsn="http://key@localhost/1", default_integrations=False, before_send=lambda event, _: told.append(event)
    )
    try:
        inside = Context()
        inside.run(sentry.Scope.set_isolation_scope, sentry.Scope())
        inside.run(sentry.set_tag, "tenant", "acme")
        inside.run(sentry.set_user, {"id": "7"})
        inside.run(lambda: sentry.get_current_scope().set_transaction_name("/orders"))  # as for FastAPI
        trace_id = inside.run(sentry.get_traceparent).partition("-")[0]
        sent = Carrier(Sources()).pack(inside)
        assert unpacked(sent.text, lambda: sentry.capture_message("in the task")) == ([], None)
        Context().run(sentry.capture_message, "elsewhere")
    finally:
        sentry.get_global_scope().set_client(None)
    task, elsewhere = told
    assert (task["tags"], task["user"], task["transaction"]) == ({"tenant": "acme"}, {"id": "7"}, "/orders")
    assert task["contexts"]["trace"]["trace_id"] == trace_id
    assert "tags" not in elsewhere


def test_how_decimal_reckons_comes_along() -> None:
    def changed() -> None:
        here = decimal.getcontext()
        here.prec, here.rounding = 50, decimal.ROUND_UP
        here.traps[decimal.Inexact] = True
        here.flags[decimal.Clamped] = True

    context = Context()
    context.run(changed)
    sent = Carrier(Sources()).pack(context)
    assert unpacked(sent.text, lambda: repr(decimal.getcontext())) == (
        [],
        context.run(lambda: repr(decimal.getcontext())),
    )


def test_the_default_context_of_decimal_does_not() -> None:
    context = Context()
    context.run(lambda: decimal.Decimal(1) / 3)
    assert Carrier(Sources()).pack(context).text is None


def test_a_context_of_decimal_that_means_nothing_is_told() -> None:
    (complaint,), precision = unpacked(
        '{"decimal:prec": {"value": 5}, "decimal:flags": {"value": "os"}, "decimal:traps": {"value": ""}}',
        lambda: decimal.getcontext().prec,
    )
    assert (complaint.startswith("the context variable decimal of a request is not set"), precision) == (True, 28)


def test_what_numpy_does_about_errors_comes_along_unless_it_is_to_call_a_function() -> None:
    numpy = pytest.importorskip("numpy")
    context = Context()
    context.run(numpy.seterr, divide="raise")
    sent = Carrier(Sources()).pack(context)
    assert (sent.text, sent.left) == ('{"numpy:divide":{"value": "raise"}}', ())
    assert unpacked(sent.text, lambda: numpy.geterr()["divide"]) == ([], "raise")
    context.run(numpy.seterrcall, print)
    (left,) = Carrier(Sources()).pack(context).left
    assert (left.found.path, left.why.partition(",")[0]) == ("numpy:call", "is a function")
