"""What so much traffic needs, worked out from the figures: room, processes, an engine, time."""

from __future__ import annotations

import math
from typing import Any, Final

Figures = dict[str, Any]

# Of a token that lives 60 s, by default: its lifetime, twice the leeway, and the margin.
KEEP: Final = 240
NAMES: Final = {"memory": "memory", "sqlite": "SQLite", "postgres": "PostgreSQL", "redis": "Redis"}


def replay_bytes(figures: Figures, engine: str, rate: float) -> float:
    """Return the room of a replay cache at so many messages a second, at the worst moment."""
    taken = figures["replay"][engine]
    return float(max(taken["bytes_empty"], 0) + taken["bytes_an_id"] * taken["turnover"] * rate * KEEP)


def inbox_bytes(figures: Figures, engine: str, rate: float, days: float) -> float:
    """Return the room of an inbox."""
    return float(figures["inbox"][engine]["bytes_a_row"] * rate * days * 86_400)


def processes(figures: Figures, rate: float) -> int:
    """Return how many processes take in so many messages a second, each at half of what it can."""
    return math.ceil(rate / (figures["endpoint"]["ES256"]["messages_a_second"] / 2))


def adds(figures: Figures, engine: str) -> float:
    """Return the most ids a second that an engine was seen to record; of SQLite by many processes, which it is for."""
    taken = figures["replay"][engine]
    return float(taken["processes_own"] if engine == "sqlite" else max(taken["adds_a_second"], taken["processes_own"]))


def engine_for(figures: Figures, rate: float, cores: int = 16) -> str:
    """Return the least engine that does: each at half of what was measured, a host with so many cores."""
    needed = processes(figures, rate)
    if needed == 1:
        return "memory, or SQLite to survive restarts"
    if needed <= cores and rate <= adds(figures, "sqlite") / 2:
        return "SQLite"
    fit = [NAMES[engine] for engine in ("postgres", "redis") if rate <= adds(figures, engine) / 2]
    return " or ".join(fit) if fit else "Redis Cluster, or several audiences"


def projected(figures: Figures, count: int, at_once: int, latency: float | None = None) -> float:
    """Return the seconds that a delivery takes: the time of one send, shared by those at once, or the CPU's."""
    sent = figures["delivery"]
    # Where connections are few enough not to be in each other's way.
    cpu: float = min(row["cpu"] for row in sent["rows"])
    alone: float = sent["alone"] if latency is None else sent["alone"] - sent["latency"] + latency
    return count * max(alone / at_once, cpu)
