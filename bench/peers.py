"""The same tasks through Huey and DBOS on SQLite, each in a virtual environment of its own in the user's cache."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import ROOT, cache, place
from bench.harness.rounds import Size, say


@dataclass(frozen=True, slots=True)
class Peer:
    """`count` is how many tasks fill some seconds."""

    name: str
    package: str
    program: str
    count: int


LOG = cache() / "peers.log"
PEERS = (
    Peer("Huey, fsync", "huey>=3,<4", "peer_huey.py", 3000),
    Peer("DBOS", "dbos>=3,<4", "peer_dbos.py", 500),
)


def compared(size: Size, outlast: Series) -> list[Figure]:
    """Outlast's tasks per second beside those of each peer that can be installed here."""
    figures = []
    for peer in PEERS:
        try:
            python = installed(peer)
            rates = tuple(_tasks_per_second(peer, python, size) for _ in outlast.values)
        except (subprocess.SubprocessError, OSError) as error:
            say(f"  {peer.name} is left out, it does not install or run here: {error}. See {LOG}")
            continue
        figures.append(Figure(outlast, Series(peer.name, "tasks/s", rates), (Aim("ratio", at_least=10),)))
    return figures


def installed(peer: Peer) -> Path:
    """The interpreter of the peer's environment, made when it is first needed."""
    folder = cache() / "peers" / peer.program.removesuffix(".py")
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        say(f"  installing {peer.package}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", peer.package], check=True)
        (folder / "ready").touch()
    return python


def _tasks_per_second(peer: Peer, python: Path, size: Size) -> float:
    count = size.pick(peer.count, peer.count // 5)
    say(f"  {peer.name}: {count} tasks")
    with place() as here, LOG.open("wb") as log:
        done = subprocess.run(
            [python, ROOT / "bench" / "programs" / peer.program, str(count)],
            cwd=here.folder,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=300,
            check=True,
        )
    return count / float(json.loads(done.stdout)["seconds"])
