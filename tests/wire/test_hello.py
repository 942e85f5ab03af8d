"""What a web worker says of itself is understood, also when another outlast says it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlast.errors import OutlastError
from outlast.settings.settings import Settings
from outlast.wire.hello import VERSION, Environment, Hello

HELLO = Hello(7, VERSION, serves=True, environment=Environment.here("main:app", Settings()))


def test_a_hello_comes_back_as_it_was() -> None:
    assert Hello.read(HELLO.message()) == HELLO


@pytest.mark.parametrize("environment", [{}, {"settings": {"runner": "of a later version"}}, None, 7])
def test_of_another_version_nothing_but_that_is_read(environment: object) -> None:
    message = {**HELLO.message(), "version": "99", "environment": environment}
    assert Hello.read(message) == replace(HELLO, version="99", environment=None)


@pytest.mark.parametrize("change", [{"version": None}, {"environment": {}}, {"environment": 7}, {"process": "x"}])
def test_what_is_no_hello_is_refused(change: dict[str, object]) -> None:
    message = {**HELLO.message(), **change}
    if change == {"version": None}:
        del message["version"]
    with pytest.raises(OutlastError, match="said hello in a way"):
        Hello.read(message)
