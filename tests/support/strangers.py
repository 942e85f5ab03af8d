"""What another user of the machine does to a folder. Only root can be somebody else, so these tests need root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

BECOME = """
import fcntl, os, shutil, socket, struct, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
path = sys.argv[1]


def is_there():
    print("ready", flush=True)


def wait():
    sys.stdin.read()

"""
LISTEN = """
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o777)
listener.listen()
is_there()
while True:
    caller, _ = listener.accept()
    print("heard", len(caller.recv(65536)), flush=True)
    caller.close()
"""
LOCK_FOLDER = """
fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)
is_there()
wait()
"""
LOCK_FILE = """
file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
is_there()
wait()
"""
PLANT_BOXES = """
for number in range(3):
    os.mkfifo(f"{path}/web-{number}-1-pipe.box", 0o666)
    os.symlink("/dev/zero", f"{path}/web-{number}-1-link.box")
    with open(f"{path}/web-{number}-1-file.box", "wb") as file:
        file.write(b"outlast1" + bytes(32760))
    os.mkfifo(f"{path}/web-{number}-1-file.crash", 0o666)
    os.symlink("/dev/zero", f"{path}/child-{number}.box")
is_there()
"""
CALL = """
for _ in range(3):
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(path)
        try:
            caller.sendall(struct.pack("<I", 16) + b'{"type": "wake"}')
            print("answered", caller.recv(1), flush=True)
        except OSError as error:
            print("answered", type(error).__name__, flush=True)
is_there()
"""


@contextmanager
def common_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp(prefix="outlast-common-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A process of another user; `said` is what it has printed so far, line by line."""

    process: subprocess.Popen[str]
    said: list[str]

    def end(self) -> list[str]:
        """End it; returns all that it has said."""
        self.process.kill()
        self.said.extend(self.process.communicate()[0].splitlines())
        return self.said


@contextmanager
def stranger(what: str, path: Path) -> Iterator[Stranger]:
    """Another user who has done `what` to `path`, and may go on with that."""
    command = [sys.executable, "-c", BECOME + what, str(path)]
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    found = Stranger(process, [])
    try:
        while (line := process.stdout.readline().rstrip()) != "ready":
            assert line, f"it ended early, after {found.said}"
            found.said.append(line)
        yield found
    finally:
        if not process.stdout.closed:
            found.end()
