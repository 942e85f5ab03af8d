"""A module of the project that the task functions do not import."""

from __future__ import annotations

from tests.samples import shared


def endpoint(key: str) -> None:
    shared.remote[key] = 1
