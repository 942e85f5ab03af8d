"""Three background tasks of 15 s, one with the mistake everybody makes once. README.md says what to see."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import BackgroundTasks, FastAPI, Query, Request, Response

SECONDS = float(os.environ.get("ARTICLE_SECONDS", "15"))

logging.basicConfig(
    level=logging.INFO,
    format="[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s",
    datefmt="%Y-%m-%d %H:%M:%S %z",
)
log = logging.getLogger("article")

app = FastAPI(title="The article's app")

if os.environ.get("ARTICLE_OUTLAST", "1") != "0":
    import outlast

    outlast.install(app)


@app.middleware("http")
async def log_request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    log.info("Started %s %s", request.method, target)
    response = await call_next(request)
    log.info("Completed %s %s with %d", request.method, target, response.status_code)
    return response


def sleep_in_a_thread(seconds: float) -> None:
    time.sleep(seconds)
    log.warning("Action 1 finished: a sync function, slept for %g s", seconds)


async def block_the_event_loop(seconds: float) -> None:
    time.sleep(seconds)  # the mistake: nothing else happens on the event loop meanwhile
    log.warning("Action 2 finished: an async function that blocks, slept for %g s", seconds)


async def sleep_on_the_event_loop(seconds: float) -> None:
    await asyncio.sleep(seconds)
    log.warning("Action 3 finished: an async function, slept for %g s", seconds)


ACTIONS = {1: sleep_in_a_thread, 2: block_the_event_loop, 3: sleep_on_the_event_loop}


@app.get("/")
async def hello(
    background_tasks: BackgroundTasks, action: Annotated[int | None, Query(ge=1, le=3)] = None
) -> dict[str, str]:
    if action is None:
        return {"msg": "Hello World"}
    background_tasks.add_task(ACTIONS[action], SECONDS)
    return {"msg": f"Hello World, Action: {action}"}
