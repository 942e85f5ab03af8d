"""What a program sets up before it starts the server itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from outlast.doctor.launching import _launchers, _set_up, launching_notes

PROGRAM = """
import config

{top}

if __name__ == "__main__":
    parser = Parser()
    parser.add_argument("--tenant")
    {line}
    from main import app
    uvicorn.run(app, port=parser.port)
    config.DONE = True
"""
SEEN = ("config.TENANT = 'acme'", "config.HANDLERS.append(1)", "sentry_sdk.init(dsn='')", "socket.setdefaulttimeout(7)")
NOT_SEEN = ("port = 1", "os.environ['A'] = 'b'", "logging.basicConfig()", "parser.add(1)", "print('starts')", "load()")


def found_in(text: str) -> list[str]:
    return [text for statements in _launchers(ast.parse(text)) for _, text in _set_up(statements)]


@pytest.mark.parametrize("line", SEEN)
def test_what_is_set_up_for_the_server_alone_is_noted(line: str) -> None:
    assert found_in(PROGRAM.format(top="", line=line)) == [line]
    main = f"def main():\n    {line}\n    uvicorn.run('main:app')\n\nif __name__ == '__main__':\n    main()\n"
    assert found_in(main) == [line]


@pytest.mark.parametrize("line", NOT_SEEN)
def test_what_is_its_own_or_is_followed_is_not(line: str) -> None:
    assert found_in(PROGRAM.format(top="config.SEEN = 1", line=line)) == []


def test_programs_beside_the_app_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(PROGRAM.format(top="", line=SEEN[0]))
    (tmp_path / "broken.py").write_text("__main__ uvicorn.run(")
    (note,) = launching_notes(tmp_path)
    assert (note.file, note.line) == (str(tmp_path / "run.py"), 9)
    assert note.sentence.startswith(f"`{SEEN[0]}`, before the server starts")
