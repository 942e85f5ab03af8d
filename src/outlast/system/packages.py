"""Installed packages whose work is done twice when two processes start it."""

from __future__ import annotations

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


def acts_once(package: str) -> bool:
    """Whether one that is started in each process does its work several times."""
    return package in ACT_ONCE
