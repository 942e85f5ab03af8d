"""What a shell offers for a word that names something in the journal: tasks, queues, schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click
from click.shell_completion import CompletionItem

from outlast.errors import OutlastError
from outlast.journal.engines import open_history, open_survey
from outlast.settings.settings import Settings

MOST_OFFERED = 200  # tasks, the newest
Found = Callable[[Settings], Mapping[str, str]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(found: Found) -> Complete:
    """Of what is found, by name with what it is, those that begin as the word does; nothing where no journal is."""

    def complete(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
        try:
            names = found(Settings.load(url=context.params.get("url")))
        except OutlastError:
            return []
        return [CompletionItem(name, help=what) for name, what in names.items() if name.startswith(word)]

    return complete


def _tasks(settings: Settings) -> Mapping[str, str]:
    return {one.id: f"{one.state} {one.function}" for one in open_history(settings.url).tasks(limit=MOST_OFFERED)}


def _queues(settings: Settings) -> Mapping[str, str]:
    return {one.name: f"{one.waiting} waiting" for one in open_survey(settings.url).queues()}


def _schedules(settings: Settings) -> Mapping[str, str]:
    return {one.name: f"{one.state}, {one.when}" for one in open_history(settings.url).schedules()}


tasks, queues, schedules = map(_offering, (_tasks, _queues, _schedules))
