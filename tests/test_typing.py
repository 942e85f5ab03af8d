"""What type checkers say of a call: settings are known by name, and a decorated function keeps its signature."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from outlast.settings import GivenSettings, Settings

PROGRAM = """
from contextvars import ContextVar

import outlast
from fastapi import FastAPI

app = FastAPI()
tenant: ContextVar[str] = ContextVar("tenant")
outlast.install(app, drain=60, watch=False, runner="off", max_rss="512M", app="main:app")
outlast.install(app, drian=60)  # wrong
outlast.install(app, drain="soon")  # wrong
outlast.install(app, runner="of")  # wrong
outlast.install(app, carry={tenant: False, "some_library": True})
outlast.install(app, carry={5: True})  # wrong


@outlast.task
async def bare(number: int) -> None: ...


@outlast.task(timeout=5)
def with_options(number: int) -> None: ...


async def ask(tasks: outlast.BackgroundTasks) -> None:
    tasks.add_task(bare, 1)
    tasks.add_task(bare, "one")  # wrong
    tasks.add_task(with_options, number=1)
    tasks.add_task(with_options, numbre=1)  # wrong
    await outlast.enqueue(with_options, 1, 2)  # wrong
"""
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--no-incremental"],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="pyright needs node, and would download it")


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=NODE)])
def test_type_checkers_find_each_mistake_and_nothing_else(checker: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = [sys.executable, *CHECKERS[checker], "program.py"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {int(line) for line in re.findall(r"program\.py:(\d+):.* error:", done.stdout)}
    wrong = {at for at, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, done.stdout + done.stderr


def test_install_takes_each_setting_by_name() -> None:
    assert set(get_type_hints(GivenSettings)) == {field.name for field in fields(Settings)}
