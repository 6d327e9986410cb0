"""The page's figures and plots are those of the committed results."""

from __future__ import annotations

import re

import pytest

from tests.bench import page, plots, results
from tests.bench.goals import GOALS
from tests.bench.measure import Figure
from tests.bench.messages import WORK

FOUND = results.newest()
MADE = results.Results(
    {
        "date": "2026-01-02",
        "versions": {"Python": "3.11.4", "OpenSSL": "OpenSSL 3", "signedmsg": "1"},
        "machine": {"cores": 2, "cpu": "a CPU", "system": "Linux"},
        "method": {"rounds": 15},
        "peers": {},
    },
    {
        "sign ES256 200 B": {
            name: Figure(best, best, best, 1)
            for name, best in {"bare signature": 100.0, "signature + to_json": 100.0, "signedmsg": 120.0}.items()
        }
    },
    {"replay add µs": 1.4},
)


def test_page_shows_the_committed_results() -> None:
    text = page.PAGE.read_text("utf-8")
    assert FOUND
    assert page.replaced(text, FOUND) == text


@pytest.mark.parametrize("work", WORK)
def test_plots_are_those_of_the_committed_results(work: str) -> None:
    assert (results.FOLDER / f"{work}.svg").read_text("utf-8") == plots.draw(work, FOUND[0])


@pytest.mark.parametrize("work", WORK)
def test_plots_are_small_and_need_nothing_from_elsewhere(work: str) -> None:
    drawn = plots.draw(work, FOUND[0])
    assert len(drawn.encode()) < 60_000
    assert re.findall(r"https?://[^\"]+", drawn) == ["http://www.w3.org/2000/svg"]


def test_results_name_no_folder_and_no_host() -> None:
    texts = [path.read_text("utf-8") for path in results.FOLDER.glob("*-python-*.json")]
    assert texts
    assert [text for text in texts if re.search(r'"/|hostname|node"', text)] == []


def test_results_are_read_as_they_were_written() -> None:
    read = results.Results.from_json(MADE.to_json())
    assert (read.about, read.cases, read.values) == (MADE.about, MADE.cases, MADE.values)


def test_a_goal_that_is_met_and_one_that_is_missed_are_told_apart() -> None:
    text = page.render([MADE])
    assert "| 1 | sign, ES256, 200 B, to the bare signature | ≤ 1.23 × | 1.20 × |" in text
    assert "**1.40 µs, missed**" in text


def test_goals_that_were_not_measured_are_not_shown() -> None:
    text = page.render([MADE])
    assert [goal.what for goal in GOALS if goal.row == 13 and goal.what in text] == []


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="once each"):
        page.replaced("# Performance\n", [MADE])
