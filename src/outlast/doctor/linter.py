"""What Ruff's rules about blocking calls in `async def` see, where Ruff is installed. Ours know more; its see files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outlast.doctor.blockers import OTHER
from outlast.doctor.blocking import is_exempt
from outlast.doctor.findings import Code, Finding, note
from outlast.doctor.scopes import Scope

RULES = "ASYNC2"  # blocking calls; ASYNC1 is about cancelling
_PATIENCE = 30.0  # seconds


def linter_notes(scopes: Sequence[Scope], known: Sequence[Finding]) -> list[Finding]:
    """A note for each line that Ruff names and nothing in `known` does. None without Ruff, or when it fails."""
    ruff = find_ruff()
    files = sorted({scope.file.source.file for scope in scopes})
    complaints = _complaints(ruff, files) if ruff and files else []
    told = {(one.file, one.line) for one in known} | _exempt_lines(scopes)
    return [_told(one) for one in complaints if (one["filename"], one["location"]["row"]) not in told]


def find_ruff() -> str | None:
    """The path of Ruff beside this Python, or on PATH."""
    return shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")


def _complaints(ruff: str, files: Sequence[str]) -> list[dict[str, Any]]:
    command = [ruff, "check", "--isolated", "--no-cache", "--exit-zero", "--select", RULES, "--output-format", "json"]
    try:
        answer = subprocess.run([*command, *files], capture_output=True, check=True, timeout=_PATIENCE)
        complaints: list[dict[str, Any]] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [one for one in complaints if str(one.get("code")).startswith(RULES)]


def _exempt_lines(scopes: Sequence[Scope]) -> set[tuple[str, int]]:
    return {
        (scope.file.source.file, line)
        for scope in scopes
        if scope.node is not None and is_exempt(scope)
        for line in range(scope.node.lineno, (scope.node.end_lineno or scope.node.lineno) + 1)
    }


def _told(complaint: dict[str, Any]) -> Finding:
    place = (complaint["filename"], complaint["location"]["row"])
    return note(Code.SLOW_CALL, place, f"Ruff {complaint['code']}: {complaint['message']}", OTHER)
