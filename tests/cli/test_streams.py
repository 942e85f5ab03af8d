"""What commands do where their streams are closed, full or read by nobody, and their folder is gone: one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import run

OUTLAST = str(Path(sys.executable).with_name("outlast"))
FULL = "what this prints cannot be written: No space left on device"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line as somebody types it, without any variable that tells Python how to print."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = ["bash", "-c", line.replace("outlast", OUTLAST, 1)]
    return subprocess.run(command, env=plain | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["list", "list --json", "db export", "--help"])
def test_what_cannot_be_printed_is_said(ids: list[str], command: str, unbuffered: str) -> None:
    asked = shell(f"outlast {command} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (asked.returncode, asked.stderr.splitlines()[-1]) == (1, f"outlast: {FULL}")
    assert "Traceback" not in asked.stderr


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", ["list", "db export", "config"])
def test_the_answer_comes_also_where_stderr_takes_nothing(ids: list[str], command: str, stderr: str) -> None:
    assert shell(f"outlast {command} {stderr}").stdout == shell(f"outlast {command}").stdout != ""


def test_what_is_closed_does_not_matter(ids: list[str]) -> None:
    closed = shell("outlast list >&- <&-")
    assert (closed.returncode, closed.stderr) == (0, shell("outlast list").stderr)
    nobody = shell("outlast retry --state failed <&-")
    assert (nobody.returncode, "say --yes, since nobody can be asked here" in nobody.stderr) == (2, True)


def test_letters_that_a_terminal_has_not_are_shown_by_their_numbers(ids: list[str]) -> None:
    plain = shell("outlast db prune --help", PYTHONIOENCODING="ascii")
    assert (plain.returncode, plain.stderr) == (0, "")
    shown = subprocess.run(
        [sys.executable, "-c", "from outlast.cli import streams; streams.make_usable(); print('3\u00d7')"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert shown.stdout == b"3\\xd7\n"


def test_a_word_that_is_no_text_is_said(ids: list[str]) -> None:
    asked = shell("outlast list --name $'\\xff'")
    assert (asked.returncode, asked.stderr.splitlines()[-1]) == (1, r"outlast: '\udcff' is not text in UTF-8")


@pytest.mark.parametrize("command", ["list", "doctor main:app", "queue pause mail", "config"])
def test_a_folder_that_is_gone_is_said(tmp_path: Path, command: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    asked = shell(f"cd {gone} && rmdir {gone} && exec outlast {command}")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.splitlines()[-1] == "outlast: the current folder is not there any more: change to another one"


@pytest.mark.parametrize(
    "command",
    [
        ("list", "--limit", "99999999999999999999"),
        ("explain", "--limit", "99999999999999999999"),
        *(("top", "--every", number) for number in ("nan", "inf", "1e300")),
        ("wait", "6h0f30ej7mwkw", "--timeout", "nan"),
        ("db", "prune", "--keep-done", "nan"),
        ("db", "prune", "--keep-done-count", "99999999999999999999"),
    ],
    ids=" ".join,
)
def test_a_number_that_means_nothing_is_wrong_usage(ids: list[str], command: tuple[str, ...]) -> None:
    asked = run(*command)
    assert (asked.exit_code, f"Invalid value for '{command[-2]}'" in asked.stderr) == (2, True)
