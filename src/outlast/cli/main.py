"""`outlast`: what is in the journal, the worker, the demo."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from outlast.cli import streams

_COMMANDS = {
    "cancel": "outlast.cli.change:cancel",
    "completion": "outlast.cli.completion:completion",
    "config": "outlast.cli.config:config",
    "db": "outlast.cli.db:db",
    "dashboard": "outlast.cli.dashboard:dashboard",
    "delete": "outlast.cli.change:delete",
    "demo": "outlast.demo.command:demo",
    "doctor": "outlast.cli.doctor:doctor",
    "explain": "outlast.cli.explain:explain",
    "list": "outlast.cli.read:list_tasks",
    "queue": "outlast.cli.queue:queue",
    "repeat": "outlast.cli.repeat:repeat",
    "retry": "outlast.cli.change:retry",
    "schedule": "outlast.cli.schedule:schedule",
    "show": "outlast.cli.read:show",
    "status": "outlast.cli.read:status",
    "stop": "outlast.cli.stop:stop",
    "tail": "outlast.cli.follow:tail",
    "top": "outlast.cli.top:top",
    "wait": "outlast.cli.follow:wait",
    "worker": "outlast.cli.worker:worker",
}
LEFT = 130  # 128 and the number of SIGINT


class LazyGroup(click.Group):
    """Imports a command when it is used, so that `status` does not pay for `demo`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run it, whatever became of its streams; what the system refuses it is a sentence."""
        streams.make_usable()
        try:
            return super().main(*args, **extra)
        except (OSError, UnicodeEncodeError) as error:
            streams.stop(error)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. One that is left by Ctrl-C says so by its exit code, as a shell has it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(LEFT)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """All names, for the help."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        for one in _leaves(command):
            if NO_COLOR not in one.params:
                one.params.append(NO_COLOR)
        return command


def _plain(context: click.Context, _: click.Parameter, is_plain: bool) -> None:  # noqa: FBT001 - as click calls it
    if is_plain:
        context.color = False


NO_COLOR = click.Option(
    ["--no-color"],
    is_flag=True,
    expose_value=False,
    callback=_plain,
    help="No colours, as with the variable NO_COLOR.",
)


def _leaves(command: click.Command) -> Iterator[click.Command]:
    """The command, or those of a group."""
    if not isinstance(command, click.Group):
        yield command
        return
    for one in command.commands.values():
        yield from _leaves(one)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="outlast")
def cli() -> None:
    """Background tasks for FastAPI that finish.

    Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 not found or findings, 130 Ctrl-C.
    """
