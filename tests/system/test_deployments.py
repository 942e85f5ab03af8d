"""Which deployment runs a task: its own, nobody while that may come back, then the newest of its app."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlast.system.deployment import NO_HOME, Deployment, Home, deployment_for

BLUE = Deployment(("main:app",), "blue", "/srv/41", changed_at=1.0)
GREEN = Deployment(("main:app",), "green", "/srv/42", changed_at=2.0)
OLDER = Deployment(("main:app",), "older", "/srv/40", changed_at=0.5)
ADMIN = Deployment(("admin:app",), "one", "/srv/42", changed_at=3.0)


@pytest.mark.parametrize("order", [(BLUE, GREEN), (GREEN, BLUE)])
@pytest.mark.parametrize("own", [BLUE, GREEN])
def test_each_release_runs_its_own_whoever_came_last(order: tuple[Deployment, ...], own: Deployment) -> None:
    assert deployment_for(own.home, order, (), others_may_come=True) == own


def test_nobody_else_runs_it_while_its_own_may_come_back() -> None:
    assert deployment_for(BLUE.home, [GREEN], [BLUE], others_may_come=False) is None


def test_nobody_else_runs_it_while_not_everybody_has_said_who_he_is() -> None:
    assert deployment_for(BLUE.home, [GREEN], (), others_may_come=True) is None


@pytest.mark.parametrize("order", [(OLDER, GREEN), (GREEN, OLDER)])
def test_of_one_that_has_gone_the_newest_code_of_its_app_takes_over(order: tuple[Deployment, ...]) -> None:
    assert deployment_for(BLUE.home, [*order, ADMIN], (), others_may_come=False) == GREEN


def test_another_app_never_takes_over() -> None:
    assert deployment_for(BLUE.home, [ADMIN], (), others_may_come=False) is None


def test_what_names_no_app_runs_in_any() -> None:
    assert deployment_for(NO_HOME, [BLUE, ADMIN], (), others_may_come=True) == ADMIN


def test_what_stands_by_without_an_app_runs_any() -> None:
    assert deployment_for(BLUE.home, [Deployment()], (), others_may_come=False) == Deployment()


def test_an_app_is_known_by_each_of_its_names() -> None:
    known = GREEN.with_names_of(Deployment(("service:app", "main:app")))
    assert deployment_for(Home("service:app", "?"), [known], (), others_may_come=False) == known


def test_new_code_in_the_same_folder_is_in_place_of_the_old_and_another_app_there_is_not() -> None:
    assert replace(GREEN, release="newer").is_in_place_of(GREEN)
    assert not BLUE.is_in_place_of(GREEN)
    assert not ADMIN.is_in_place_of(GREEN)


def test_a_deployment_comes_back_from_a_message_as_it_was() -> None:
    told = {"names": list(BLUE.names), "release": BLUE.release, "root": BLUE.root, "changed_at": BLUE.changed_at}
    assert Deployment.read(told) == BLUE
