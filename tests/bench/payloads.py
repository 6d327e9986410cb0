"""The payloads: events of a shop, as webhooks carry them, of given sizes and in a mix; the same in every run."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from tests.cli.payloads import read

SIZES: Final = {"200 B": 200, "2 KB": 2_000, "64 KB": 64_000, "1 MB": 1_000_000}
LINES: Final = "lines"
VARIABLE: Final = "SIGNEDMSG_BENCH_PAYLOADS"
_COUNT: Final = 64
_WORDS: Final = ("blue", "mug", "lamp", "oak", "shelf", "größe", "wool", "scarf", "steel", "kettle", "café", "tea")


class Line(BaseModel):
    """One line of an order."""

    sku: str
    name: str
    quantity: int
    price: float
    gift: bool
    note: str | None


class Order(BaseModel):
    """What receivers turn `data` into."""

    order: str
    created: str
    currency: str
    total: float
    lines: list[Line]
    note: str


def size_of(data: object) -> int:
    """Return the bytes of its shortest JSON form."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def order(size: int) -> dict[str, Any]:
    """Return an order of exactly so many bytes of JSON, at least 200: as many lines as fit, and a note."""
    dice = random.Random(size)
    data: dict[str, Any] = {
        "order": f"ord_{dice.getrandbits(64):016x}",
        "created": "2026-01-05T10:00:00Z",
        "currency": "EUR",
        "total": 124.95,
        "lines": [],
        "note": "",
    }
    room = size - size_of(data)
    while (line := _line(dice)) and (needed := size_of(line) + 1) <= room:
        data["lines"].append(line)
        room -= needed
    data["note"] = "n" * (size - size_of(data))
    return data


def _line(dice: random.Random) -> dict[str, Any]:
    return {
        "sku": f"{dice.randrange(10**8):08}",
        "name": " ".join(dice.choices(_WORDS, k=dice.randrange(2, 5))),
        "quantity": dice.randrange(1, 9),
        "price": dice.randrange(1, 20_000) / 100,
        "gift": dice.random() < 0.2,
        "note": None if dice.random() < 0.7 else " ".join(dice.choices(_WORDS, k=dice.randrange(3, 12))),
    }


def lines(named: str | None = None) -> list[Any]:
    """Return different payloads: of the file named, or made here.

    A file has one JSON value a line, and may be gzip. At most 64 of it are taken, evenly, and
    none above 100 KB. Those made here have sizes as webhooks do: half below 2 KB, few above 20 KB.
    """
    if named:
        found = [each for each in read(Path(named)) if size_of(each) <= 100_000]
        return found[:: max(1, len(found) // _COUNT)][:_COUNT]
    dice = random.Random(_COUNT)
    return [_event(dice, number) for number in range(_COUNT)]


def _event(dice: random.Random, number: int) -> dict[str, Any]:
    size = int(min(27_000, max(220, dice.lognormvariate(7.5, 1.2))))
    return {
        "event": ("order.placed", "order.shipped", "invoice.paid", "customer.updated")[number % 4],
        "number": number,
        "links": {"self": f"https://shop.example/events/{number}", "next": None},
        "object": order(size),
    }
