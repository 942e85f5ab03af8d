"""`outlast`: what is in the journal, the worker, the demo."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "cancel": "outlast.cli.change:cancel",
    "delete": "outlast.cli.change:delete",
    "demo": "outlast.cli.demo.command:demo",
    "doctor": "outlast.cli.doctor:doctor",
    "explain": "outlast.cli.explain:explain",
    "list": "outlast.cli.read:list_tasks",
    "retry": "outlast.cli.change:retry",
    "show": "outlast.cli.read:show",
    "status": "outlast.cli.read:status",
    "stop": "outlast.cli.stop:stop",
    "worker": "outlast.cli.worker:worker",
}


class LazyGroup(click.Group):
    """Imports a command when it is used, so that `status` does not pay for `demo`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """All names, for the help."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="outlast")
def cli() -> None:
    """Background tasks for FastAPI that finish.

    Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 not found or findings, 130 Ctrl-C.
    """
