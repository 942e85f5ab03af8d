"""Commands on a real terminal, and what that shows."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
OUTLAST = str(Path(sys.executable).with_name("outlast"))
ROWS = 24


class Terminal:
    """A command that runs on a terminal of so many columns."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes], columns: int) -> None:
        self._terminal = terminal
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._drawn = b""
        self.process = process

    @property
    def drawn(self) -> str:
        """All it has printed, with what steers the terminal."""
        with suppress(OSError):  # nothing new, or the command has ended
            while piece := os.read(self._terminal, 1 << 16):
                self._drawn += piece
                self._stream.feed(piece)
        return self._drawn.decode(errors="replace")

    @property
    def rows(self) -> list[str]:
        """What is to be seen on it now."""
        _ = self.drawn
        return [row.rstrip() for row in self._screen.display]

    @property
    def text(self) -> str:
        """All it has printed, in one line and without what steers the terminal."""
        return " ".join(plain(self.drawn).split())

    def shows(self, words: str) -> bool:
        return words in self.text

    def press(self, key: str) -> None:
        os.write(self._terminal, key.encode())


@contextmanager
def terminal(*arguments: str, columns: int = 80, **environment: str) -> Iterator[Terminal]:
    """`outlast` with these arguments, on a terminal; ended afterwards."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (ROWS, columns))
    os.set_blocking(ours, False)
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    variables |= {"TERM": "xterm-256color", **environment}
    command = [OUTLAST, *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process, columns)
        finally:
            process.kill()
            os.close(ours)


def plain(text: str) -> str:
    """`text` without what steers a terminal."""
    return STEERING.sub("", text)
