"""The contract finds each of these mistakes: a case that no cache can fail would prove nothing."""

from __future__ import annotations

import threading
from typing import Literal

import pytest

from signedmsg.errors import QuotaError, StoreError
from signedmsg.testing import ManualClock, ReplayCacheContract


class NaiveCache:
    """A correct cache that sweeps over all ids at each add; every method is one rule that may be broken."""

    waits: Literal["never", "blocks", "suspends"] = "never"
    shared = durable = False

    def __init__(self, *, clock: ManualClock, capacity: int, quota: int) -> None:
        self.clock, self.capacity, self.quota = clock, capacity, quota
        self.birth = clock()
        self.lock = threading.Lock()
        self.ids: dict[bytes, tuple[float, str]] = {}

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        self.check_birth(issued_at)
        with self.lock:
            self.sweep()
            if self.known(key):
                return False
            self.check_room(issuer)
            self.ids[key] = (self.until(keep), issuer)
            return True

    def now(self) -> float:
        return self.clock.monotonic()

    def until(self, keep: float) -> float:
        return self.now() + keep

    def known(self, key: bytes) -> bool:
        return key in self.ids

    def sweep(self) -> None:
        self.ids = {key: entry for key, entry in self.ids.items() if entry[0] > self.now()}

    def check_birth(self, issued_at: float) -> None:
        if issued_at < self.birth:
            raise StoreError

    def check_room(self, issuer: str) -> None:
        if [entry[1] for entry in self.ids.values()].count(issuer) >= self.quota:
            raise QuotaError
        if len(self.ids) >= self.capacity:
            raise StoreError


class Forgets(NaiveCache):
    def known(self, key: bytes) -> bool:
        return False


class MixesUp(NaiveCache):
    def known(self, key: bytes) -> bool:
        return key[:1] in {known[:1] for known in self.ids}


class ForgetsEarly(NaiveCache):
    def until(self, keep: float) -> float:
        return self.now() + keep - 2


class KeepsAllAlike(NaiveCache):
    def until(self, keep: float) -> float:
        return self.now() + min(keep, 300.0)


class NeverForgets(NaiveCache):
    def sweep(self) -> None:
        pass


class TrustsTheWallClock(NaiveCache):
    def now(self) -> float:
        return self.clock()


class ForgetsWhenTheClockGoesBack(NaiveCache):
    def sweep(self) -> None:
        self.ids = {key: entry for key, entry in self.ids.items() if abs(entry[0] - self.clock.monotonic()) < 1e6}
        if self.clock() < self.birth:
            self.ids.clear()


class Evicts(NaiveCache):
    def check_room(self, issuer: str) -> None:
        if len(self.ids) >= self.capacity:
            del self.ids[next(iter(self.ids))]


class EvictsAndRefuses(NaiveCache):
    def check_room(self, issuer: str) -> None:
        if len(self.ids) >= self.capacity:
            self.ids.clear()
            raise StoreError


class HasNoQuota(NaiveCache):
    def check_room(self, issuer: str) -> None:
        if len(self.ids) >= self.capacity:
            raise StoreError


class SharesTheQuota(NaiveCache):
    def check_room(self, issuer: str) -> None:
        if len(self.ids) >= self.quota:
            raise QuotaError


class RecordsBeforeItRefuses(NaiveCache):
    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        try:
            return super().add(key, keep, issuer=issuer, issued_at=issued_at)
        except (StoreError, QuotaError):
            self.ids[key] = (self.now() + 100 * keep, issuer)
            raise


class HasNoBirth(NaiveCache):
    def check_birth(self, issued_at: float) -> None:
        pass


class RoundsItsBirth(NaiveCache):
    def check_birth(self, issued_at: float) -> None:
        if issued_at < self.birth - 1:
            raise StoreError


class RefusesItsFirstSecond(NaiveCache):
    def check_birth(self, issued_at: float) -> None:
        if issued_at <= self.birth + 1:
            raise StoreError


class AsksBeforeItWrites(NaiveCache):
    """All copies look before any of them writes, as threads may."""

    def __init__(self, *, clock: ManualClock, capacity: int, quota: int) -> None:
        super().__init__(clock=clock, capacity=capacity, quota=quota)
        self.looked = threading.Barrier(64)

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        known = self.known(key)
        self.looked.wait(timeout=10)
        return not known and (super().add(key, keep, issuer=issuer, issued_at=issued_at) or True)


class Suspends(NaiveCache):
    waits = "suspends"


MISTAKES: list[tuple[type[NaiveCache], str]] = [
    (Suspends, "test_cache_says_how_it_waits"),
    (Forgets, "test_id_is_new_the_first_time_only"),
    (MixesUp, "test_ids_do_not_touch_each_other"),
    (Forgets, "test_ids_of_every_issuer_are_new_once"),
    (ForgetsEarly, "test_id_is_remembered_to_the_last_second_of_its_keep"),
    (KeepsAllAlike, "test_short_keep_does_not_shorten_a_long_one"),
    (NeverForgets, "test_ids_that_are_over_make_room"),
    (ForgetsWhenTheClockGoesBack, "test_clock_that_steps_back_admits_nothing_again"),
    (TrustsTheWallClock, "test_clock_that_steps_forward_and_back_admits_nothing_again"),
    (Evicts, "test_full_cache_refuses_what_is_new"),
    (EvictsAndRefuses, "test_full_cache_forgets_nothing"),
    (HasNoQuota, "test_quota_refuses_that_issuer_alone"),
    (SharesTheQuota, "test_quota_refuses_that_issuer_alone"),
    (RecordsBeforeItRefuses, "test_id_refused_for_the_quota_is_still_new_later"),
    (HasNoBirth, "test_token_signed_before_the_cache_was_made_is_refused"),
    (RoundsItsBirth, "test_token_signed_before_the_cache_was_made_is_refused"),
    (RefusesItsFirstSecond, "test_token_signed_after_the_cache_was_made_is_accepted"),
    (RecordsBeforeItRefuses, "test_id_refused_for_its_age_is_not_recorded"),
    (AsksBeforeItWrites, "test_one_of_many_copies_at_once_is_new"),
]


def contract(kind: type[NaiveCache]) -> ReplayCacheContract:
    class Contract(ReplayCacheContract):
        def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> NaiveCache:  # type: ignore[override]
            return kind(clock=clock, capacity=capacity, quota=quota)

    return Contract()


CASES = [name for name in dir(ReplayCacheContract) if name.startswith("test_")]


@pytest.mark.parametrize(("kind", "case"), MISTAKES)
def test_contract_finds_the_mistake(kind: type[NaiveCache], case: str) -> None:
    with pytest.raises((AssertionError, StoreError, QuotaError)):
        getattr(contract(kind), case)()


@pytest.mark.parametrize("case", CASES)
def test_correct_cache_passes(case: str) -> None:
    assert getattr(contract(NaiveCache), case)() is None


def test_every_case_has_a_mistake_that_it_finds() -> None:
    assert {case for _, case in MISTAKES} == set(CASES)
