"""How figures are written on a page: three digits, a unit that fits, a Markdown table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def short(value: float) -> str:
    """Return a number with three digits, and commas in the larger ones."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{round(value, 2 - math.floor(math.log10(abs(value)))):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: float) -> str:
    """Return bytes in the unit that fits."""
    for unit, limit in (("KB", 1e6), ("MB", 1e9)):
        if value < limit:
            return f"{short(value / limit * 1e3)} {unit}"
    return f"{short(value / 1e9)} GB"


def span(seconds: float) -> str:
    """Return a time in the unit that fits."""
    if seconds >= 1:
        return f"{short(seconds)} s"
    return f"{short(seconds * 1e3)} ms" if seconds >= 0.001 else f"{short(seconds * 1e6)} µs"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
