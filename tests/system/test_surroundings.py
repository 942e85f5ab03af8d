"""What a task process has besides folder and variables is what the server has."""

from __future__ import annotations

import json
import locale
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from outlast.system.surroundings import Surroundings
from tests.support.marks import slow
from tests.support.servers import eventually, lay_out, serving

LOCALE = "C.UTF-8"
HERE = """
import argparse as _argparse, json as _json, locale as _locale, resource as _resource

_parser = _argparse.ArgumentParser()
_parser.add_argument("--colour", required=True)
if __name__ == "__main__":
    os.umask(0o027)
    _locale.setlocale(_locale.LC_ALL, "C.UTF-8")
    _resource.setrlimit(_resource.RLIMIT_NOFILE, (200, _resource.getrlimit(_resource.RLIMIT_NOFILE)[1]))
_colour = _parser.parse_args().colour


def say_surroundings(name: str) -> None:
    descriptors, _ = _resource.getrlimit(_resource.RLIMIT_NOFILE)
    umask = os.umask(0)
    os.umask(umask)
    witness(name, _colour, oct(umask), _locale.setlocale(_locale.LC_ALL), descriptors)


@app.get("/surroundings/{name}")
def surroundings(name: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(say_surroundings, name)


"""


@pytest.mark.parametrize("child_start", ["spawn", *slow("fork")])
def test_a_task_process_has_what_the_server_was_given_and_has_set(child_start: str, tmp_path: Path) -> None:
    lay_out(tmp_path)
    app = tmp_path / "main.py"
    program, main, rest = app.read_text().partition('if __name__ == "__main__":')
    app.write_text(program + HERE + main + rest)
    with serving("python main.py", tmp_path, "--colour", "red", OUTLAST_CHILD_START=child_start) as server:
        server.get("/surroundings/it")
        assert server.wait_for("it") == ["it", "red", "0o27", LOCALE, "200"]
        eventually(server.all_settled, server.output)
        assert "cannot have the server's" not in server.output


def run(flags: Sequence[str], code: str) -> str:
    return subprocess.run([sys.executable, *flags, "-c", code], check=True, capture_output=True, text=True).stdout


def test_an_interpreter_with_the_same_flags_has_the_same_options() -> None:
    options = ("custom=1", "int_max_str_digits=9000", "utf8", "plain")
    given = ["-O", "-W", "error::EOFError", *(word for option in options for word in ("-X", option))]
    flags = json.loads(run(given, "import json, outlast.wire.hello as h; print(json.dumps(h.interpreter_flags()))"))
    look = "import sys; print(sorted(sys._xoptions.items()), sys.warnoptions, sys.flags)"
    assert run(flags, look) == run(given, look)


def test_what_is_read_back_is_what_was_sent() -> None:
    here = Surroundings.here()
    assert (here.arguments, here.umask is not None) == (tuple(sys.argv), sys.platform == "linux")
    sent = json.dumps({name: getattr(here, name) for name in Surroundings.__slots__})
    assert Surroundings.read(json.loads(sent)) == here
    assert here.take_over() == []


def test_what_a_process_may_not_have_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    impossible = Surroundings(locale="xx_XX.none", limits={"RLIMIT_CORE": (5, 4), "RLIMIT_OF_TOMORROW": (1, 1)})
    before = locale.setlocale(locale.LC_ALL)
    said = impossible.take_over()
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert said[0].startswith("tasks cannot have the server's locale xx_XX.none: ")
    assert all("RLIMIT_CORE (5)" in sentence for sentence in said[1:])
    assert locale.setlocale(locale.LC_ALL) == before


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["main:app"], []),
        (["--server", "gunicorn -w 1 main:app"], ["-w", "1", "main:app"]),
        (["--server", "python -m uvicorn --port 80 main:app"], ["--port", "80", "main:app"]),
    ],
)
def test_doctor_imports_with_the_arguments_of_the_server(arguments: list[str], seen: list[str], tmp_path: Path) -> None:
    lay_out(tmp_path)
    with (tmp_path / "main.py").open("a") as app:
        app.write("\nimport json\nPath('argv.json').write_text(json.dumps(sys.argv[1:]))\n")
    outlast = Path(sys.executable).with_name("outlast")
    done = subprocess.run([outlast, "doctor", *arguments], cwd=tmp_path, env=dict(os.environ), check=False)
    assert done.returncode in (0, 3)
    assert json.loads((tmp_path / "argv.json").read_text()) == seen
