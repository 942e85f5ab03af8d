"""`outlast demo`: the article's app under gunicorn, stock and with outlast, at the same time."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from outlast.cli.demo.plan import Plan
    from outlast.cli.demo.run import Result

LOG_LINES = 40
INTERRUPTED = 130


@click.command()
@click.option("--quick", is_flag=True, help="Divide all times by 5: tasks of 3 s, gunicorn -t 2.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("outlast-demo.svg"),
    show_default=True,
    help="Where to draw the timeline.",
)
def demo(quick: bool, picture: Path) -> None:  # noqa: FBT001
    """Show what happens to three background tasks, without outlast and with it.

    Serves the same app twice under gunicorn, asks each server for the same three tasks of 15 s and, every
    100 ms, for something small. Takes about 35 s. Exits with 1 if outlast lost a task.
    """
    article = _article()
    if not picture.absolute().parent.is_dir():
        raise click.ClickException(f"cannot draw {picture}: there is no such folder")
    from rich.console import Console

    from outlast.cli.demo.plan import ARTICLE, QUICK

    console = Console()
    plan = QUICK if quick else ARTICLE
    _introduce(console, plan)
    result = _run(plan, article, console)
    _conclude(console, plan, result, picture)


def _article() -> Path:
    from outlast.cli.demo.needs import article_file, missing_packages

    if missing := missing_packages():
        raise click.ClickException(f'{", ".join(missing)} missing: pip install "outlast[demo]"')
    try:
        return article_file()
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from None


def _introduce(console: Console, plan: Plan) -> None:
    seconds = f"{plan.task_seconds:g} s"
    console.print(
        f"[bold]Three background tasks of {seconds}[/], asked of the same FastAPI app, served twice by\n"
        f"  gunicorn -w 1 -t {plan.worker_timeout} -k uvicorn_worker.UvicornWorker main:app\n"
        "once as it is, once with the line [bold]outlast.install(app)[/].\n"
        "Meanwhile each server gets a small request every 100 ms.\n",
        highlight=False,
    )


def _run(plan: Plan, article: Path, console: Console) -> Result:
    from outlast.cli.demo.live import shown
    from outlast.cli.demo.run import run
    from outlast.cli.demo.servers import ServerFailed

    async def until_stopped() -> Result:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this coroutine is run by one
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
        return await run(plan, article, show)

    try:
        with shown(console, plan) as show:
            return asyncio.run(until_stopped())
    except ServerFailed as error:
        raise click.ClickException(str(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped; both servers are ended.")
        raise SystemExit(INTERRUPTED) from None


def _conclude(console: Console, plan: Plan, result: Result, picture: Path) -> None:
    from outlast.cli.demo.report import table, verdict

    console.print(table(result.stories))
    console.print(verdict(result.stories))
    _draw(console, plan, result, picture)
    outlast = result.stories[-1]
    if outlast.finished < len(outlast.tasks):
        _print_log(console, result.logs[-1])
        raise SystemExit(1)


def _draw(console: Console, plan: Plan, result: Result, picture: Path) -> None:
    from outlast.cli.demo.timeline import draw

    try:
        picture.write_text(draw(result.stories, plan), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot draw {picture}: {error.strerror}") from None
    console.print(f"Timeline: {picture}", highlight=False)


def _print_log(console: Console, log: Sequence[str]) -> None:
    from outlast.cli.demo.logbook import is_of_small_request

    telling = [line for line in log if not is_of_small_request(line)]
    console.print("\nThe last lines of outlast's server:", style="red")
    console.print("\n".join(telling[-LOG_LINES:]), highlight=False, markup=False, soft_wrap=True)
