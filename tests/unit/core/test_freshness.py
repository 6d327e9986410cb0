"""How long keys are fresh, as configured and as HTTP says, and how often a source may be asked."""

from __future__ import annotations

from typing import Any

import pytest

from signedmsg import Freshness
from signedmsg._core.freshness import NEGATIVE_KIDS, Absent, Backoff, Budget, retry_after, soft_lifetime

DATE = "Mon, 23 Nov 2026 13:24:00 GMT"
LATER = "Mon, 23 Nov 2026 13:34:00 GMT"


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, 300),
        ({"cache-control": "public"}, 300),
        ({"cache-control": "public, max-age=600"}, 600),
        ({"cache-control": "MAX-AGE = 600"}, 600),
        ({"cache-control": 'max-age="600"'}, 600),
        ({"cache-control": "s-maxage=900, max-age=600"}, 600),
        ({"cache-control": "max-age=600", "age": "100"}, 500),
        ({"cache-control": "max-age=600", "age": "9999"}, 60),
        ({"cache-control": "max-age=600", "age": "-1"}, 600),
        ({"cache-control": "max-age=600", "age": "junk"}, 600),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "max-age=31536000"}, 3600),
        ({"cache-control": "max-age=99999999999999999999999"}, 3600),
        ({"cache-control": "no-cache"}, 60),
        ({"cache-control": "no-cache, max-age=600"}, 60),
        ({"cache-control": "no-store"}, 60),
        ({"cache-control": "max-age=junk"}, 300),
        ({"cache-control": "must-revalidate, max-age=600"}, 600),
        ({"expires": LATER, "date": DATE}, 600),
        ({"expires": LATER, "date": DATE, "age": "100"}, 500),
        ({"expires": LATER, "date": DATE, "cache-control": "max-age=120"}, 120),
        ({"expires": "0"}, 60),
        ({"expires": DATE, "date": LATER}, 60),
        ({"expires": LATER}, 60),
    ],
    ids=str,
)
def test_soft_lifetime_is_what_the_answer_says_within_its_bounds(headers: dict[str, str], lifetime: float) -> None:
    assert soft_lifetime(headers, 300) == lifetime


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 0),
        ({"retry-after": "120"}, 120),
        ({"retry-after": "86400"}, 300),
        ({"retry-after": "9" * 400}, 300),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": LATER, "date": DATE}, 300),
        ({"retry-after": DATE, "date": LATER}, 0),
        ({"retry-after": LATER}, 0),
    ],
    ids=str,
)
def test_retry_after_is_read_in_both_forms_and_bounded(headers: dict[str, str], wait: float) -> None:
    assert retry_after(headers) == wait


@pytest.mark.parametrize(
    "options",
    [
        {"soft": 59},
        {"soft": 3601},
        {"hard": -1},
        {"hard": 86401},
        {"hard": float("nan")},
        {"ahead": 0},
        {"ahead": 1.1},
        {"cooldown": 0},
        {"bucket": 0},
        {"bucket": 1.5},
        {"bucket": True},
        {"recheck": 0},
        {"recheck": float("nan")},
        {"recheck": "1"},
    ],
    ids=str,
)
def test_times_that_could_not_be_kept_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Freshness(**options)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"soft.*hard.*bucket"):
        Freshness(soft=1, hard=-1, bucket=0)


def test_bucket_fills_by_one_each_cooldown_and_not_beyond_its_size() -> None:
    budget = Budget(Freshness())
    budget.spend(0.0)
    budget.spend(0.0)
    assert [budget.allows(now) for now in (0.0, 29.0, 30.0)] == [False, False, True]
    budget.spend(1000.0)
    budget.spend(1000.0)
    assert not budget.allows(1000.0)


def test_budget_whose_clock_stepped_back_is_full() -> None:
    budget = Budget(Freshness())
    budget.spend(1000.0)
    budget.spend(1000.0)
    budget.block(1000.0)
    assert budget.allows(0.0)


def test_backoff_of_a_source_that_failed_for_long_stays_finite() -> None:
    backoff = Backoff()
    for _ in range(5000):
        backoff.failed("down", 0.0, 0.0, 0.0)
    assert backoff.left(0.0) == 40


def test_sources_that_fail_in_step_come_out_of_step_however_long_they_fail() -> None:
    one, other = Backoff(), Backoff()
    for _ in range(20):
        one.failed("down", 0.0, 0.0, 0.0)
        other.failed("down", 0.0, 0.9, 0.0)
    assert other.left(0.0) - one.left(0.0) == pytest.approx(18)
    assert other.left(0.0) <= 60


def test_absent_kids_are_bounded_and_the_oldest_goes_first() -> None:
    absent = Absent()
    for number in range(NEGATIVE_KIDS + 1):
        absent.add(f"k{number}", 0.0)
    assert not absent.has("k0", 1.0)
    assert absent.has("k1", 1.0)
    assert absent.has(f"k{NEGATIVE_KIDS}", 1.0)
    assert not absent.has("k1", 30.0)


def test_flood_of_absent_kids_is_kept_for_half_a_minute_only() -> None:
    absent = Absent()
    for number in range(1000):
        absent.add(f"k{number}", 10.0 * number)
    last = 10.0 * 999
    kept = [number for number in range(1000) if absent.since(f"k{number}", last - 9000) is not None]
    assert kept == [997, 998, 999]
    assert [absent.has(f"k{number}", last) for number in (996, 997, 999)] == [False, True, True]


def test_kid_that_counts_as_absent_no_more_looks_the_same_kept_or_forgotten() -> None:
    absent = Absent()
    absent.add("old", 0.0)
    before = absent.since("old", 30.0)
    absent.add("new", 31.0)
    assert (before, absent.since("old", 30.0)) == (None, None)
    absent.add("old", 32.0)
    assert absent.since("old", 30.0) == 32.0
