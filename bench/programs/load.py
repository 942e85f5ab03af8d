"""HTTP clients in one process: each asks again when it was answered, or one request goes out per interval."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count, repeat

from bench.harness.figures import percentile

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
Answered = Callable[["Client"], None]


class Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, requests: Iterator[bytes], answered: Answered) -> None:
        self._requests = requests
        self._answered = answered
        self._answer = b""
        self._asked_at = 0.0
        self.is_waiting = False
        self.is_open = True
        self.took: list[float] = []
        self.failures = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        """Send the request."""
        self._asked_at = time.perf_counter()
        self.is_waiting = True
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        self.took.append(time.perf_counter() - self._asked_at)
        self.failures += not head.startswith(b"HTTP/1.1 200 ")
        self._answer = b""
        self.is_waiting = False
        self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """A server may close a connection that has nothing to do; any other end is a failure."""
        self.is_open = False
        self.failures += self.is_waiting


class Load:
    """All clients of a run."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._requests = _requests(path)
        self._clients: list[Client] = []
        self._free: list[Client] = []
        self._until = 0.0

    async def closed(self, connections: int, seconds: float) -> None:
        """Each of `connections` asks without a pause."""
        clients = [await self._connect(self._again) for _ in range(connections)]
        began = time.perf_counter()
        self._until = began + seconds
        for client in clients:
            client.ask()
        while len(self._free) < connections and time.perf_counter() < self._until + 10:
            await asyncio.sleep(0.05)

    async def paced(self, interval: float, seconds: float) -> None:
        """One request per `interval`, whether or not those before it were answered."""
        began = time.perf_counter()
        for number in range(int(seconds / interval)):
            await asyncio.sleep(began + number * interval - time.perf_counter())
            (await self._free_client()).ask()
        await asyncio.sleep(0.5)

    def report(self, seconds: float) -> dict[str, float]:
        """Requests per second and percentiles in milliseconds. One that was never answered is a failure."""
        took = [one for client in self._clients for one in client.took]
        return {
            "per_second": len(took) / seconds,
            "p50": percentile(took, 50) * 1000,
            "p99": percentile(took, 99) * 1000,
            "longest": max(took) * 1000,
            "failures": sum(client.failures + client.is_waiting for client in self._clients),
        }

    async def _free_client(self) -> Client:
        self._free = [client for client in self._free if client.is_open]
        return self._free.pop() if self._free else await self._connect(self._to_free)

    def _to_free(self, client: Client) -> None:
        self._free.append(client)

    def _again(self, client: Client) -> None:
        if time.perf_counter() < self._until:
            client.ask()
        else:
            self._free.append(client)

    async def _connect(self, answered: Answered) -> Client:
        client = Client(self._requests, answered)
        self._clients.append(client)
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self._port)
        return client


def _requests(path: str) -> Iterator[bytes]:
    """One after the other. `{}` in the path is the number of the request."""
    numbers = (path.format(number) for number in count()) if "{}" in path else repeat(path)
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in numbers)


async def main() -> None:
    """Print the report of what the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--interval", type=float, help="seconds between requests; default: no pause")
    asked = parser.parse_args()
    load = Load(asked.port, asked.path)
    if asked.interval:
        await load.paced(asked.interval, asked.seconds)
    else:
        await load.closed(asked.connections, asked.seconds)
    print(json.dumps(load.report(asked.seconds)))


if __name__ == "__main__":
    asyncio.run(main())
