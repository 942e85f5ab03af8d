"""Every case, called in this process: what is stored before the response starts, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outlast.web import hook
from tests.web.app import build
from tests.web.calling import Served
from tests.web.cases import CASES, LEAVING, Case


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "http middleware"])
def http_middleware(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def served(http_middleware: bool) -> Iterator[Served]:  # a fixture
    yield Served(build(http_middleware=http_middleware))
    hook.uninstall()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_case(served: Served, case: Case, *, http_middleware: bool) -> None:
    case.check(served.get(case.path), http_middleware=http_middleware)


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_client_leaves_in_mid_stream(served: Served, spec_version: str) -> None:
    seen = served.get_and_leave(LEAVING.path, spec_version)
    assert (seen.before, seen.released, seen.dropped) == (["param"], ["param"], {})


def test_server_cancels_in_mid_stream(served: Served) -> None:
    seen = served.cancel(LEAVING.path)
    assert (seen.before, seen.released, seen.dropped) == (["param"], ["param"], {})
    assert seen.raised == "CancelledError"


def test_websocket(served: Served) -> None:
    seen = served.websocket("/socket")
    assert seen.after == ["param", "explicit", "inline"]
    assert seen.states == {"param": 1, "explicit": 1, "inline": 0}
    assert (seen.released, seen.dropped, seen.settled) == ([], {}, {"inline": "done"})
    assert seen.follows == {"explicit": "param"}
