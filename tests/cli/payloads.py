"""Payloads of many shapes, and a JSON Lines file of them."""

from __future__ import annotations

import gzip
import json
import os
import random
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = ("invoice.created", "invoice.paid", "order.placed", "customer.updated", "naïve.类型")
EDGES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**53 - 1, -(2**53) + 1, 0.1, -0.0, 1e-300, 1.7976931348623157e308, 5e-324),
    *(
        "",
        " ",
        "\x00",
        "\x7f\x80\x9b",
        "\u2028\u2029",
        '\\"/\b\f\n\r\t',
        "\ufeff",
        "\U0010ffff",
        "\u202e",
        "a\u0301",
        "á",
    ),
    *(
        "👩‍👩‍👧‍👦",
        "日本語",
        "עברית",
        "<script>&amp;",
        "line\nbreak",
        {},
        [],
        [[]],
        {"": {"": []}},
        {"a": None},
        {"\x00": 1},
    ),
)
ALPHABETS = (
    string.ascii_letters,
    string.printable,
    "àéîõü ßœ",
    "日本語漢字かな",
    "🌱👍🏽🎉",
    "אבגד",
    "\x00\x1f\x7f\u200b\ufeff",
)


def generated(count: int, seed: int = 20260101) -> list[dict[str, Any]]:
    """So many lines: type, id and data; every edge first, then ever other shapes up to 27 KB."""
    dice = random.Random(seed)
    lines = [_line(number, edge) for number, edge in enumerate(EDGES)]
    lines += [_line(number, _value(dice, dice.randrange(1, 9))) for number in range(len(lines), count - 20)]
    lines += [_line(number, _big(dice, number)) for number in range(len(lines), count)]
    return lines


def _line(number: int, data: Any) -> dict[str, Any]:
    return {"kind": TYPES[number % len(TYPES)], "key": f"message-{number}", "body": data}


def _value(dice: random.Random, depth: int) -> Any:
    shape = dice.random()
    if depth == 0 or shape < 0.35:
        return dice.choice((_text(dice), dice.randrange(-(2**53) + 1, 2**53), dice.uniform(-1e9, 1e9), *EDGES[:3]))
    size = dice.randrange(5)
    if shape < 0.6:
        return [_value(dice, depth - 1) for _ in range(size)]
    return {_text(dice): _value(dice, depth - 1) for _ in range(size)}


def _text(dice: random.Random) -> str:
    return "".join(dice.choices(dice.choice(ALPHABETS), k=dice.randrange(24)))


def _big(dice: random.Random, number: int) -> Any:
    """Between 20 and 27 KB: as long texts, as long lists, or nested as deep as a message may be."""
    if number % 3 == 0:
        return {"text": "".join(dice.choices(ALPHABETS[0] + ALPHABETS[3], k=9000 + number % 3000))}
    if number % 3 == 1:
        return {"rows": [{"at": at, "name": _text(dice)} for at in range(400)]}
    nested: Any = "x" * 20_000
    for _ in range(29):
        nested = [nested]
    return nested


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """As JSON Lines; gzip when the name says so."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def real() -> Path | None:
    """A file of real webhook payloads, where there is one: a message each line."""
    named = os.environ.get("SIGNEDMSG_TEST_PAYLOADS")
    root = Path(__file__).parent.parent.parent
    path = Path(named) if named else root.parent / "shared" / "data" / "github-webhooks.jsonl.gz"
    return path if path.is_file() else None


def read(path: Path) -> list[Any]:
    """The lines of a JSON Lines file, gzip or not."""
    data = path.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return [json.loads(line) for line in text.decode().split("\n") if line.strip()]
