"""The tables of the page on scale, each put between `<!-- scale: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.bench.scale_model import KEEP, NAMES, Figures, engine_for, inbox_bytes, processes, projected, replay_bytes
from tests.bench.scale_text import short, size, span, table

if TYPE_CHECKING:
    from collections.abc import Callable

RATES: Final = (1, 10, 100, 1_000, 5_000, 20_000, 50_000)
DAYS: Final = (1, 3, 7)
AT_ONCE: Final = (8, 32, 100)
INBOX_RATES: Final = (1, 10, 100, 1_000)
_BETWEEN: Final = re.compile(r"(<!-- scale: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def cost(figures: Figures) -> str:
    head = ("key", "data", "token", "a million signed", "a million verified", "both", "one core verifies")
    rows = (
        (
            alg,
            size,
            f"{one['token_bytes']:,} B",
            f"{short(one['sign'] * 1e6)} s",
            f"{short(one['verify'] * 1e6)} s",
            f"{short((one['sign'] + one['verify']) * 1e6 / 3600)} core-hours",
            f"{short(1 / one['verify'])} a second",
        )
        for alg, sizes in figures["cost"].items()
        for size, one in sizes.items()
    )
    return table(head, rows)


def endpoint(figures: Figures) -> str:
    head = ("key", "one process of an ASGI endpoint takes in", "a day at that rate")
    rows = (
        (alg, f"{short(one['messages_a_second'])} a second", f"{short(one['messages_a_second'] * 0.0864)} million")
        for alg, one in figures["endpoint"].items()
    )
    return table(head, rows)


def engines(figures: Figures) -> str:
    head = (
        "replay cache",
        "bytes an id",
        "bytes an id alive, at worst",
        "ids a second, one process",
        "eight processes",
    )
    rows = []
    for engine, name in NAMES.items():
        one = figures["replay"][engine]
        eight = short(one["processes_own"]) if "processes_own" in one else "–"
        worst = short(one["bytes_an_id"] * one["turnover"])
        rows.append((name, short(one["bytes_an_id"]), worst, short(one["adds_a_second"]), eight))
    return table(head, rows)


def rates(figures: Figures) -> str:
    head = ("messages a second", "ids alive", *NAMES.values(), "processes", "engine")
    rows = (
        (
            f"{rate:,}",
            f"{rate * KEEP:,}",
            *(size(replay_bytes(figures, engine, rate)) for engine in NAMES),
            f"{processes(figures, rate)}",
            engine_for(figures, rate),
        )
        for rate in RATES
    )
    return table(head, rows)


def inbox(figures: Figures) -> str:
    names = [engine for engine in NAMES if engine in figures["inbox"]]
    head = (
        "messages a second",
        "kept for",
        "rows",
        *(f"{NAMES[engine]} ({figures['inbox'][engine]['bytes_a_row']:.0f} bytes a row)" for engine in names),
    )
    rows = (
        (
            f"{rate:,}",
            f"{days} day{'s' * (days > 1)}",
            f"{rate * days * 86_400:,}",
            *(size(inbox_bytes(figures, engine, rate, days)) for engine in names),
        )
        for rate in INBOX_RATES
        for days in DAYS
    )
    return table(head, rows)


def issuers(figures: Figures) -> str:
    head = ("issuers", "built in", "fixed sets", "sets at URLs", "look-up", "verify", "`health()`")
    rows = (
        (
            f"{row['issuers']:,}",
            span(row["fixed"]["build"]),
            size(row["fixed"]["resident"]),
            size(row["http"]["resident"]),
            span(row["fixed"]["find"]),
            span(row["fixed"]["verify"]),
            span(row["fixed"]["health"]),
        )
        for row in figures["issuers"]
    )
    return table(head, rows)


def reads(figures: Figures) -> str:
    head = ("issuers", "reads an hour", "most in a second", "after a common start", "look-ups that waited, or refused")
    rows = (
        (
            f"{row['issuers']:,}",
            short(row["steady"]["reads"] * 3600 / row["steady"]["seconds"]),
            f"{row['steady']['most_reads_a_second']:,} reads",
            f"{row['first_ten_minutes']['most_reads_a_second']:,} reads",
            f"{row['steady']['waited'] + row['steady']['refused']:,} of {row['steady']['lookups']:,}",
        )
        for row in figures["reads"]
    )
    return table(head, rows)


def outage(figures: Figures) -> str:
    head = (
        "issuers",
        "for",
        "reads a second",
        "most in a second",
        "most under way at once",
        "look-ups",
        "waited",
        "refused",
    )
    rows = []
    for row in figures["reads"]:
        phases = [row[name] for name in ("outage", "rest_of_outage") if name in row]
        whole = {name: sum(phase[name] for phase in phases) for name in phases[0]}
        rows.append(
            (
                f"{row['issuers']:,}",
                f"{whole['seconds'] / 60:.0f} minutes",
                short(row["outage"]["reads"] / row["outage"]["seconds"]),
                f"{max(phase['most_reads_a_second'] for phase in phases):,}",
                f"{max(phase['most_at_once'] for phase in phases):,}",
                *(f"{whole[name]:,}" for name in ("lookups", "waited", "refused")),
            )
        )
    return table(head, rows)


def threads(figures: Figures) -> str:
    head = ("issuers whose sources are silent", "threads that read ahead", "memory of them")
    rows = ((f"{row['issuers']:,}", f"{row['threads']:,}", size(row["resident"])) for row in figures["threads"])
    return table(head, rows)


def fan_out(figures: Figures) -> str:
    head = ("for", "signed in", "each", "token", "all tokens at once", "kept when each is let go")
    rows = (
        (
            f"{row[what]['count']:,} {what}",
            span(row[what]["cpu"]),
            span(row[what]["cpu"] / row[what]["count"]),
            f"{short(row[what]['token_bytes'])} B",
            size(row[what]["held_all"]),
            size(row[what]["held_streaming"]),
        )
        for row in figures["fan_out"]
        for what in ("endpoints", "accounts")
    )
    return table(head, rows)


def delivery(figures: Figures) -> str:
    head = ("sends at once", "1,000 endpoints took", "projected", "CPU of a send", "not delivered")
    rows = (
        (
            f"{row['at_once']:,}",
            span(row["seconds"]),
            span(projected(figures, row["endpoints"], row["at_once"])),
            span(row["cpu"]),
            f"{row['failed']:,}",
        )
        for row in figures["delivery"]["rows"]
    )
    return table(head, rows)


def projection(figures: Figures) -> str:
    head = ("endpoints", "answers after", *(f"{at_once} at once" for at_once in AT_ONCE))
    rows = (
        (
            f"{count:,}",
            f"{latency * 1e3:,.0f} ms",
            *(span(projected(figures, count, at_once, latency)) for at_once in AT_ONCE),
        )
        for count in (1_000, 10_000)
        for latency in (0.02, 0.2, 2.0)
    )
    return table(head, rows)


def run(figures: Figures) -> str:
    """Not a table, but what was run."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(figures["versions"].items()))
    return (
        f"The figures above are those of `docs/benchmarks/scale-{figures['date']}.json`: {figures['cores']} cores,\n"
        f"{versions}.\n"
    )


TABLES: Final[dict[str, Callable[[Figures], str]]] = {
    each.__name__: each
    for each in (
        cost,
        endpoint,
        engines,
        rates,
        inbox,
        issuers,
        reads,
        outage,
        threads,
        fan_out,
        delivery,
        projection,
        run,
    )
}


def filled(page: str, figures: Figures) -> str:
    """Return the page with every table written anew."""

    def write(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]](figures)}\n{found[3]}"

    return _BETWEEN.sub(write, page)
