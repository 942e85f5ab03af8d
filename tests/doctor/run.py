"""`outlast doctor` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("outlast")


@dataclass(frozen=True, slots=True)
class Answer:
    """What it has printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What it has printed as JSON."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    @property
    def found(self) -> set[tuple[str, str, int]]:
        """Code, file and line of what it found."""
        return {(one["code"], one["file"], one["line"]) for one in self.document["findings"]}


def doctor(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Answer:
    """Run it in a folder, without the variables of these tests' own surroundings."""
    ours = ("OUTLAST_", "GUNICORN_", "WEB_CONCURRENCY", "PYTEST_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given = {"PYTHONPATH": "site-packages", "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})}
    done = subprocess.run(
        [PROGRAM, "doctor", *arguments], cwd=folder, env=inherited | given, capture_output=True, text=True, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)
