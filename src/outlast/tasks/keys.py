"""What may be the key of a task, of which there is one at a time. Pure."""

from __future__ import annotations

from hashlib import sha256

MOST_KEY = 200  # characters


def is_key(given: object) -> bool:
    """Whether it is text that every journal stores, and every terminal shows, as it is."""
    return isinstance(given, str) and 0 < len(given) <= MOST_KEY and given.isprintable()


def key_of(given: str) -> str | None:
    """A key made of text from outside, None if that is blank. What may be none itself is its SHA-256 instead.

    So two texts have the same key only where they differ in no more than blanks and quotes around them.
    """
    text = given.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':  # a string, as structured headers have it (RFC 9651)
        text = text[1:-1]
    if not text or is_key(text):
        return text or None
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
