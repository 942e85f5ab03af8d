"""`outlast completion`: what a shell needs to complete the commands and options of `outlast`."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "fish", "zsh")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    eval "$(outlast completion bash)"                    in ~/.bashrc
    eval "$(outlast completion zsh)"                     in ~/.zshrc
    outlast completion fish > ~/.config/fish/completions/outlast.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        sys.exit(1)
    click.echo(kind(context.find_root().command, {}, "outlast", "_OUTLAST_COMPLETE").source())
