"""The measurements of growth: virtual time, the simulated reads, and a page that says what its figures say."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.scale_model import NAMES, engine_for, processes, projected, replay_bytes
from tests.bench.scale_page import RATES, TABLES, filled
from tests.bench.scale_reads import simulate
from tests.bench.scale_text import short, size, span
from tests.bench.scale_tools import VirtualLoop, fit, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parent.parent.parent.parent / "docs"
PAGE = DOCS / "explanation" / "scale.md"
NEWEST = max((DOCS / "benchmarks").glob("scale-*.json"))
PLOTS = ("endpoints", "issuers", "replay")


def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NEWEST.read_text("utf-8"))
    return found


def test_page_says_what_the_newest_figures_say() -> None:
    page = PAGE.read_text("utf-8")
    assert filled(page, figures()) == page


def test_page_has_each_table_once() -> None:
    named = re.findall(r"^<!-- scale: (\w+) -->$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(TABLES)


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_on_the_page_and_small(name: str) -> None:
    assert f"../benchmarks/scale-{name}.svg" in PAGE.read_text("utf-8")
    assert (DOCS / "benchmarks" / f"scale-{name}.svg").stat().st_size < 60_000


def test_plots_of_the_same_figures_are_the_same(tmp_path: Path) -> None:
    plots = pytest.importorskip("tests.bench.scale_plots", reason="matplotlib", exc_type=ImportError)
    drawn: list[list[bytes]] = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        plots.draw(figures(), folder)
        drawn.append([(folder / f"scale-{name}.svg").read_bytes() for name in PLOTS])
    assert drawn[0] == drawn[1]


def test_hours_of_a_virtual_loop_take_no_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        await asyncio.gather(*(asyncio.sleep(hours * 3600) for hours in (1, 2, 3)))
        return loop.time()

    before = time.monotonic()
    assert in_virtual_time(main) == pytest.approx(3 * 3600)
    assert time.monotonic() - before < 60


def test_virtual_loop_in_which_nothing_is_due_says_so() -> None:
    async def main(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is due"):
        in_virtual_time(main)


def phases(count: int = 20) -> Mapping[str, Any]:
    return simulate(count, steady=900, outage=300)


def test_reads_grow_with_the_issuers_and_no_faster() -> None:
    few, many = phases(10), phases(40)
    assert few["start"]["reads"] == 10
    assert many["start"]["reads"] == 40
    assert many["steady"]["reads"] <= 4.5 * few["steady"]["reads"]
    assert many["outage"]["reads"] <= 4.5 * few["outage"]["reads"]


def test_nobody_waits_once_sets_are_known_nor_while_all_sources_fail() -> None:
    seen = phases()
    for name in ("first_ten_minutes", "steady", "outage", "recovery"):
        assert (seen[name]["waited"], seen[name]["refused"]) == (0, 0), name
    assert seen["outage"]["lookups"] == 20 * 30


def test_a_common_start_is_spread_by_the_jitter() -> None:
    seen = phases(100)
    assert seen["start"]["most_reads_a_second"] == 100
    assert seen["first_ten_minutes"]["most_reads_a_second"] < 20


def test_simulation_is_the_same_each_time() -> None:
    assert phases(5) == phases(5)


def test_keys_outlive_an_outage_of_an_hour_and_no_more_than_their_bounds() -> None:
    silence = figures()["silence"]
    assert 3600 < silence["first_refusal"] <= silence["all_refused"] <= 300 + 3600


def test_memory_and_reads_of_issuers_are_in_proportion_in_the_newest_figures() -> None:
    rows = {row["issuers"]: row for row in figures()["issuers"]}
    for kind in ("fixed", "http"):
        first = (rows[1_000][kind]["resident"] - rows[100][kind]["resident"]) / 900
        last = (rows[10_000][kind]["resident"] - rows[1_000][kind]["resident"]) / 9_000
        assert last < 1.25 * first
    assert rows[10_000]["fixed"]["verify"] < 1.5 * rows[10]["fixed"]["verify"]


@pytest.mark.parametrize("engine", NAMES)
def test_room_of_a_replay_cache_is_a_line_in_the_newest_figures(engine: str) -> None:
    taken = figures()["replay"][engine]
    assert taken["off"] < 0.1
    assert 1 <= taken["turnover"] < 2.5
    assert replay_bytes(figures(), engine, 100) < replay_bytes(figures(), engine, 1_000)


def test_engine_that_takes_over_never_goes_back() -> None:
    order: list[str] = []
    for rate in RATES:
        engine = engine_for(figures(), rate)
        if engine not in order[-1:]:
            order.append(engine)
    assert len(order) == len(set(order))
    assert order[0].startswith("memory")
    assert processes(figures(), RATES[-1]) > 1


def test_delivery_is_never_projected_below_the_time_of_the_cpu() -> None:
    least = min(row["cpu"] for row in figures()["delivery"]["rows"])
    assert projected(figures(), 1_000, 1_000_000) == pytest.approx(1_000 * least)
    assert projected(figures(), 1_000, 8, 2.0) > 1_000 * 2.0 / 8 * 0.99


def test_line_through_points_of_a_line_is_that_line() -> None:
    line = fit([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)])
    assert (line.start, line.slope, line.off) == pytest.approx((3.0, 2.0, 0.0))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (short(0), "0"),
        (short(0.012345), "0.0123"),
        (short(9.996), "10"),
        (short(1234567), "1,230,000"),
        (size(999), "0.999 KB"),
        (size(5.9e7), "59 MB"),
        (size(3.1e11), "310 GB"),
        (span(3.2e-5), "32 µs"),
        (span(0.042), "42 ms"),
        (span(250), "250 s"),
    ],
)
def test_numbers_have_three_digits_and_a_unit_that_fits(written: str, expected: str) -> None:
    assert written == expected
