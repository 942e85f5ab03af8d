"""What the newest server wants of the runner."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlast.settings.settings import Settings


@dataclass(slots=True)
class Policy:
    """`settings` are those of the newest hello; the defaults as long as there was none."""

    settings: Settings = field(default_factory=Settings)
