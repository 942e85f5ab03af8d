"""`outlast doctor` on tasks with parameters that FastAPI's `Depends` fills."""

from __future__ import annotations

from pathlib import Path

from tests.doctor.run import doctor

MAIN = """
from typing import Annotated

import outlast
from fastapi import BackgroundTasks, Depends, FastAPI, Request

app = FastAPI()
outlast.install(app)


def get_session():
    yield 1


async def get_user(request: Request):
    return request.user


def fine(session: Annotated[int, Depends(get_session)], number: int) -> None: ...


def refused(number: int, user: str = Depends(get_user)) -> None: ...


@app.get("/")
async def endpoint(tasks: BackgroundTasks) -> None:
    tasks.add_task(fine, 1)
    tasks.add_task(fine, number=1, session=2)
    tasks.add_task(refused, 1, user="somebody")
    tasks.add_task(refused, 1)
"""


def test_what_needs_a_request_is_found_on_its_line_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    answer = doctor(tmp_path, "main:app", "--json")
    line = MAIN.splitlines().index("    tasks.add_task(refused, 1)") + 1
    assert answer.found == {("cannot-travel", "main.py", line)}, answer.stdout
    (finding,) = answer.document["findings"]
    assert "depends on `get_user`, which takes the request (`request`)" in str(finding)
