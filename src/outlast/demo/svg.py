"""The few words of SVG that the timeline needs. Everything that comes from outside is escaped."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

Value = str | float


def element(tag: str, *children: str, **attributes: Value) -> str:
    """One element with `children`, which are markup already. `font_size=12` becomes font-size="12"."""
    written = "".join(f" {_name(name)}={quoteattr(_number(value))}" for name, value in attributes.items())
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def worded(tag: str, words: str, **attributes: Value) -> str:
    """One element with `words` in it."""
    return element(tag, escape(words), **attributes)


def text(words: str, x: float, y: float, **attributes: Value) -> str:
    return worded("text", words, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Value) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def box(x: float, y: float, width: float, height: float, **attributes: Value) -> str:
    return element("rect", x=x, y=y, width=max(width, 0), height=height, **attributes)


def group(*children: str, title: str = "", **attributes: Value) -> str:
    """A group; `title` is what a pointer that rests on it is told."""
    told = worded("title", title) if title else ""
    return element("g", told, *children, **attributes)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _number(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
