"""What a web worker says of itself to the runner when they meet."""

from __future__ import annotations

from dataclasses import replace

from outlast.events import processes, waits
from outlast.functions.names import is_in_program, why_not_imported
from outlast.logs.example import told_format
from outlast.logs.setup import told_setup
from outlast.settings.settings import Settings
from outlast.system.place import Place
from outlast.tasks.callbacks import wanted_states
from outlast.web.identity import Identity
from outlast.wire.hello import VERSION, Environment, Hello


def introduction(process_id: int, identity: Identity, settings: Settings, place: Place, *, has_lifespan: bool) -> Hello:
    """Of the process with that id (row). has_lifespan: whether its server enters the app's, as far as is known."""
    name = identity.app_name
    if name and is_in_program(name) and (why := why_not_imported()):
        waits.WithoutApp(why).tell()
        name = ""
    elif not name:
        processes.NoAppFound().tell()
    here = Environment.here(name, _settings_of_children(settings, identity, has_lifespan=has_lifespan))
    environment = replace(here, logging=told_setup(), lines=told_format(), listens=bool(wanted_states()))
    return Hello(process_id, VERSION, identity.serves, environment, place.address(), identity.deployment(settings))


def _settings_of_children(settings: Settings, identity: Identity, *, has_lifespan: bool) -> Settings:
    """They enter the app's lifespan where the server does. No spare one waits when a script has ended."""
    settings = settings if identity.serves else replace(settings, spares=0)
    follows = settings.child_lifespan == "true" and not has_lifespan
    return replace(settings, child_lifespan="false") if follows else settings
