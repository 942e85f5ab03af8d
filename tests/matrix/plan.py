"""What is measured: three apps, under three servers, at one pace."""

from __future__ import annotations

from dataclasses import dataclass

STOCK, TASKFLOW, OUTLAST = "stock", "fastapi-taskflow", "outlast"
PEERS = {STOCK: "stock.py", TASKFLOW: "taskflow.py", OUTLAST: "outlast.py"}
"""Each by the file of `apps` that is its main.py."""
SERVERS = ("uvicorn", "gunicorn uvicorn_worker", "gunicorn asgi")
"""Kinds of `tests.support.servers`, each with one web worker."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds.

    seconds: how long an innocent task takes; blocked: how long the culprit blocks, or hogs at least;
    timeout: gunicorn's -t; graceful: the short graceful timeout;
    patience: how long nothing may happen until what has not finished counts as lost.
    """

    seconds: float = 5.0
    blocked: float = 6.0
    timeout: int = 4
    graceful: int = 2
    patience: float = 15.0
