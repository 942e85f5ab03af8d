"""The walk of README.md, and the places where a new user goes it: a folder, a server, a second terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import Server, end_what_is_left, eventually, free_port

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent
SAID = "(that was all)"


@dataclass(frozen=True)
class Walk:
    """Its blocks, in their order, and the pages of the dashboard that it leads to."""

    install: str
    app: str
    serve: str
    ask: str
    mend: str
    kill: str
    explain: str
    pages: tuple[str, ...]

    @classmethod
    def read(cls) -> Walk:
        """As it stands there."""
        (section,) = re.findall(r"^## From nothing.*?$(.*?)^## ", README.read_text(), re.DOTALL | re.MULTILINE)
        pages = tuple(re.findall(r"<http://localhost:8000/outlast(/\w+)>", section))
        blocks = re.findall(r"^```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
        install, app, serve, ask, mend, kill, explain = blocks
        return cls(install, app, serve, ask, mend, kill, explain, pages)


class Terminal:
    """A shell in a folder, which is typed into block by block. It ends at the first command that fails."""

    def __init__(self, folder: Path, environment: Mapping[str, str], port: int) -> None:
        self._port = port
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-e"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, block: str) -> str:
        """What the commands print. Their server is not on port 8000, which a machine may have in use."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(block.replace("localhost:8000", f"localhost:{self._port}") + f"\necho '{SAID}'\n")
        self._shell.stdin.flush()
        said: list[str] = []
        for line in self._shell.stdout:
            said.append(line.removesuffix(f"{SAID}\n"))
            if said[-1] != line:
                return "".join(said)
        raise AssertionError(f"a command has failed: {block}\n{''.join(said)}")

    def close(self) -> None:
        self._shell.kill()
        self._shell.communicate()


@contextmanager
def shop(folder: Path, walk: Walk) -> Iterator[tuple[Server, Terminal]]:
    """The app of the walk, served as it says, with this environment in the place of a fresh one."""
    (folder / "main.py").write_text(walk.app)
    activate = folder / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"PATH={BIN}:$PATH\n")
    home = folder / "home"
    home.mkdir()
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLAST_", "GUNICORN_"))}
    outside = os.pathsep.join(one for one in os.get_exec_path() if Path(one) != BIN)
    environment = plain | {"HOME": str(home), "PATH": outside, "XDG_RUNTIME_DIR": str(home)}
    inside = {
        "PATH": f"{BIN}{os.pathsep}{outside}",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}",
        "PYTHONUNBUFFERED": "1",
        "OUTLAST_STORE_DEADLINE": "9",
    }
    terminal = Terminal(folder, environment, port)
    with (folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {walk.serve}"],
            cwd=folder,
            env=environment | inside,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(folder, port, process)
    try:
        eventually(lambda: "Application startup complete" in server.output, "the server answers")
        yield server, terminal
    finally:
        terminal.close()
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the web worker, too
        server.wait()
        end_what_is_left(server)
