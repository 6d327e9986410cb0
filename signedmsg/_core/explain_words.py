"""How explanations write a stranger's text, a duration and a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST: Final = 160
_MOST: Final = 6


def quoted(text: str) -> str:
    """Return a text that may be anybody's as a log may hold it: in quotes, in ASCII, and not endless."""
    return ascii(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


def several(texts: Iterable[str]) -> str:
    """Return a list of texts, the first few of them."""
    all_of_them = list(texts)
    more = len(all_of_them) - _MOST
    return ", ".join(all_of_them[:_MOST]) + (f" and {more} more" if more > 0 else "")


def spell(seconds: float) -> str:
    """Return a duration as people say it: `7 minutes`, `12 s`."""
    size = abs(seconds)
    for unit, length in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if size >= 1.5 * length:
            count = size / length
            number = f"{count:.1f}".removesuffix(".0") if count < 10 else f"{count:.0f}"
            return f"{number} {unit}s" if number != "1" else f"1 {unit}"
    return f"{size:.0f} s"
