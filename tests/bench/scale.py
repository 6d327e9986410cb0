"""How everything grows: `python -m tests.bench.scale --json FILE --svg FOLDER --page PAGE`, in about three minutes.

Measures costs, directories of up to 10,000 issuers, fan-outs to up to 10,000 endpoints, and the room
that replay caches and inboxes take; writes the figures, the plots (which need the extra `bench`), and
the tables of the page between their markers. With `--from FILE` it draws what was measured before.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.bench import scale_costs, scale_endpoints, scale_inbox, scale_issuers, scale_page, scale_reads, scale_replay
from tests.servers import postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS: Final = (10, 100, 1_000, 10_000)
# Issuers, and for how many seconds their sources answer in the steady phase and then fail.
READS: Final = ((10, 3600, 3600), (100, 3600, 3600), (1_000, 900, 1800), (10_000, 900, 300))
AT_ONCE: Final = (8, 32, 100, 1_000)
VERSIONS: Final = ("cryptography", "httpx", "pydantic", "psycopg", "redis", "signedmsg")


def stores() -> dict[str, Any]:
    with valkey.one() as redis, postgres.one() as server:
        return {"replay": scale_replay.measure(redis, server), "inbox": scale_inbox.measure(redis, server)}


PARTS: Final[tuple[Callable[[], dict[str, Any]], ...]] = (
    scale_costs.measure,
    lambda: {"issuers": scale_issuers.measure(list(COUNTS))},
    lambda: {"threads": [scale_issuers.threads(count) for count in COUNTS[:-1]]},
    lambda: {"reads": [scale_reads.simulate(*row) for row in READS]},
    lambda: {"silence": scale_reads.silence(20)},
    lambda: {"fan_out": scale_endpoints.measure(list(COUNTS))},
    lambda: {"delivery": scale_endpoints.delivery(1_000, list(AT_ONCE))},
    stores,
)


def measure() -> dict[str, Any]:
    """Return all figures."""
    made: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in VERSIONS},
        },
    }
    for part in PARTS:
        started = time.perf_counter()
        found = part()
        print(f"{', '.join(found)}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        made.update(found)
    return made


def rounded(value: Any) -> Any:
    """Return the same with numbers of four digits: there is no more in them."""
    match value:
        case dict():
            return {name: rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [rounded(each) for each in value]
        case float():
            return float(f"{value:.4g}")
        case _:
            return value


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description="How everything grows.")
    parser.add_argument("--json", type=Path, help="the file to write the figures to")
    parser.add_argument("--from", type=Path, dest="source", help="a file of figures, instead of measuring")
    parser.add_argument("--svg", type=Path, help="the folder to write the plots to")
    parser.add_argument("--page", type=Path, help="the page whose tables to write")
    chosen = parser.parse_args(arguments)
    figures = json.loads(chosen.source.read_text("utf-8")) if chosen.source else rounded(measure())
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if chosen.svg:
        from tests.bench.scale_plots import draw

        draw(figures, chosen.svg)
    if chosen.page:
        chosen.page.write_text(scale_page.filled(chosen.page.read_text("utf-8"), figures), "utf-8")


if __name__ == "__main__":
    main()
