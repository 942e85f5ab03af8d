"""Installed packages whose work is done twice when two processes start it."""

from __future__ import annotations

import os
from pathlib import PurePath

ACT_ONCE = frozenset(
    {
        *("apscheduler", "schedule", "rocketry", "aiocron", "fastapi_utils", "fastapi_utilities"),
        *("huey", "rq", "celery", "kombu", "arq", "taskiq", "dramatiq", "saq", "procrastinate", "faststream"),
        *("aiokafka", "kafka", "confluent_kafka", "pika", "aio_pika", "aiormq", "nats", "stomp"),
        *("paho", "aiomqtt", "asyncio_mqtt", "gmqtt", "fastapi_mqtt"),
        *("watchdog", "watchfiles", "zeroconf"),
        *("telegram", "aiogram", "telebot", "discord", "slack_bolt"),
    }
)
"""Schedulers, consumers of messages, those that listen for others, bots: by the name that is imported."""

_HOMES = ("site-packages", "dist-packages")
_WITHIN = tuple(f"{os.sep}{home}{os.sep}" for home in _HOMES)


def acts_once(package: str) -> bool:
    """Whether one that is started in each process does its work several times."""
    return package in ACT_ONCE


def is_installed(file: str) -> bool:
    """Whether a source file is of an installed package."""
    return any(part in file for part in _WITHIN)


def package_of(file: str) -> str:
    """The installed package that a source file is in; empty for others."""
    parts = PurePath(file).parts
    home = next((at for at, part in enumerate(parts) if part in _HOMES), None)
    if home is None or home + 1 >= len(parts):
        return ""
    return parts[home + 1].removesuffix(".py")
