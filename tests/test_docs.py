"""What the pages say of what can be looked up: links lead somewhere, each setting and each command stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from outlast.cli.main import cli
from outlast.settings.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "examples", "bench")
PAGES = sorted([*ROOT.glob("*.md"), *(page for one in FOLDERS for page in (ROOT / one).rglob("*.md"))])
LINK = re.compile(r"!?\]\((?!https?:)([^)\s]+)\)")


def prose(page: Path) -> str:
    """Without code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> Iterator[str]:
    """What can stand behind a # in a link to it, as forges make it of headings."""
    yield from re.findall(r'<a id="([\w-]+)">', page.read_text())
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"<[^>]*>|[^\w\s-]", "", heading)
        yield plain.strip().lower().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_what_older_links_mean_is_still_in_the_readme() -> None:
    moved = {"use", "secrets", "once", "releases", "memory", "frozen", "copies", "differs"}
    assert moved <= set(anchors(ROOT / "README.md"))


def test_each_setting_stands_on_its_page() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(one.name for one in fields(Settings))


@pytest.mark.parametrize("command", cli.list_commands(None))  # type: ignore[arg-type]
def test_each_command_stands_somewhere(command: str) -> None:
    assert any(re.search(rf"\boutlast {command}\b", page.read_text()) for page in PAGES)
