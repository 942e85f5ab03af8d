"""Every case on real servers: the same as in this process. Each kind of server is started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.marks import each_started_once
from tests.web.cases import CASES, LEAVING, Case
from tests.web.servers import SERVERS, Server, in_process, started

TEST_CLIENT = "TestClient"


@pytest.fixture(scope="module", params=each_started_once([*SERVERS, TEST_CLIENT]))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with in_process(folder) if request.param == TEST_CLIENT else started(request.param, folder) as server:
        yield server


@pytest.fixture(params=["/plain", "/logged"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_case(server: Server, case: Case, prefix: str) -> None:
    seen, ran = server.get(prefix + case.path)
    case.check(seen, http_middleware=prefix == "/logged")
    assert ran == list(case.ran)


def test_client_leaves_in_mid_stream(server: Server, prefix: str) -> None:
    seen, ran = server.get_and_leave(prefix + LEAVING.path)
    assert (seen.before, seen.released, seen.dropped, ran) == (["param"], ["param"], {}, [])


def test_websocket(server: Server, prefix: str) -> None:
    seen, ran = server.websocket(prefix + "/socket")
    assert seen.after == ["param", "explicit", "inline"]
    assert (seen.released, seen.dropped, seen.settled) == ([], {}, {"inline": "done"})
    assert ran == ["inline"]
