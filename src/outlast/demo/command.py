"""`outlast demo`: the article's app under gunicorn, stock and with outlast, at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from outlast.demo.plan import DemoPlan
    from outlast.demo.run import Result

LOG_LINES = 40
INTERRUPTED = 130
PACKAGES = {"fastapi": "fastapi", "gunicorn": "gunicorn", "uvicorn": "uvicorn", "uvicorn_worker": "uvicorn-worker"}
DASHBOARD = {"jinja2": "jinja2"}
"""Those of the extra `demo`, by the module that is imported: of both servers, and of the dashboard."""
MORE = "To see its tasks, and who blocked, in the browser: outlast demo --dashboard"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. picture: where the timeline is drawn. stays: whether the dashboard is served after that."""

    plan: DemoPlan
    article: Path
    picture: Path
    stays: bool


@click.command()
@click.option("--quick", is_flag=True, help="Divide all times by 5: tasks of 3 s, gunicorn -t 2.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("outlast-demo.svg"),
    show_default=True,
    help="Where to draw the timeline.",
)
@click.option("--dashboard", "stays", is_flag=True, help="Then open the dashboard, and go on until Ctrl-C.")
def demo(quick: bool, picture: Path, stays: bool) -> None:  # noqa: FBT001
    """Show what happens to three background tasks, without outlast and with it.

    Serves the same app twice under gunicorn, asks each server for the same three tasks of 15 s and, every
    100 ms, for something small. Takes about 35 s. Exits with 1 if outlast lost a task.

    With --dashboard both servers go on after that, and the dashboard of outlast's journal is opened in the browser.
    """
    article = _article(PACKAGES | DASHBOARD if stays else PACKAGES)
    if not picture.absolute().parent.is_dir():
        raise click.ClickException(f"cannot draw {picture}: there is no such folder")
    from outlast.demo.live import Printer
    from outlast.demo.plan import ARTICLE, QUICK

    console = Printer()
    plan = QUICK if quick else ARTICLE
    _introduce(console, plan)
    result = _run(Wish(plan, article, picture, stays), console)
    outlast = result.stories[-1]
    if outlast.finished < len(outlast.tasks):
        _print_log(console, result.logs[-1])
        raise SystemExit(1)


def _article(packages: Mapping[str, str]) -> Path:
    missing = [package for module, package in packages.items() if find_spec(module) is None]
    if missing:
        raise click.ClickException(f'{", ".join(missing)} missing: pip install "outlast[demo]"')
    places = article_files()
    for place in places:
        if place.is_file():
            return place
    sentence = f"the article's app is neither at {places[0]} nor at {places[1]}; install outlast again"
    raise click.ClickException(sentence)


def article_files() -> tuple[Path, Path]:
    """Where the article's app is: beside this file where outlast was installed from a wheel, else in the repository."""
    here = Path(__file__).resolve()
    return here.parent / "article" / "main.py", here.parents[3] / "examples" / "article" / "main.py"


def _introduce(console: Console, plan: DemoPlan) -> None:
    seconds = f"{plan.task_seconds:g} s"
    console.print(
        f"[bold]Three background tasks of {seconds}[/], asked of the same FastAPI app, served twice by\n"
        f"  gunicorn -w 1 -t {plan.worker_timeout} -k uvicorn_worker.UvicornWorker main:app\n"
        "once as it is, once with the line [bold]outlast.install(app)[/].\n"
        "Meanwhile each server gets a small request every 100 ms.\n",
        highlight=False,
    )


def _run(wish: Wish, console: Console) -> Result:
    from outlast.demo.run import call_when_told_to_end
    from outlast.demo.servers import ServerFailed

    async def until_stopped() -> Result:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this coroutine is run by one
        call_when_told_to_end(task.cancel)
        return await _play(wish, console)

    try:
        return asyncio.run(until_stopped())
    except ServerFailed as error:
        raise click.ClickException(str(error)) from None
    except ExceptionGroup as both:  # what is shown while both servers are visited could not be written
        refused = both.subgroup(OSError)
        raise refused.exceptions[0] if refused else both from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped; both servers are ended.")
        raise SystemExit(INTERRUPTED) from None


async def _play(wish: Wish, console: Console) -> Result:
    from outlast.demo.live import shown
    from outlast.demo.run import opened, visited
    from outlast.demo.stay import stay

    async with opened(wish.plan, wish.article) as booths:
        with shown(console, wish.plan) as show:
            result = await visited(booths, wish.plan, show)
        _conclude(console, result)
        _draw(console, wish.plan, result, wish.picture)
        if wish.stays:
            await stay(console, booths[-1].server.place)
        else:
            console.print(MORE, highlight=False)
    return result


def _conclude(console: Console, result: Result) -> None:
    from outlast.demo.report import table, verdict

    console.print(table(result.stories))
    console.print(verdict(result.stories))


def _draw(console: Console, plan: DemoPlan, result: Result, picture: Path) -> None:
    from outlast.demo.timeline import draw

    try:
        picture.write_text(draw(result.stories, plan), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot draw {picture}: {error.strerror}") from None
    console.print(f"Timeline: {picture}", highlight=False, markup=False)


def _print_log(console: Console, log: Sequence[str]) -> None:
    from outlast.demo.logbook import is_of_small_request

    telling = [line for line in log if not is_of_small_request(line)]
    console.print("\nThe last lines of outlast's server:", style="red")
    console.print("\n".join(telling[-LOG_LINES:]), highlight=False, markup=False, soft_wrap=True)
