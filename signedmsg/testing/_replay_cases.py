"""The cases of the replay cache contract, over a cache that either blocks or suspends."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from signedmsg.errors import QuotaError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from signedmsg.testing.clock import ManualClock

KEEP = 300.0
COPIES = 64
ONE, OTHER, THIRD = "https://one.example", "https://other.example", "https://third.example"


class _Add(Protocol):
    def __call__(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool: ...


class Trial:
    """A cache under test and its clock, in the few words that the cases need."""

    def __init__(self, clock: ManualClock, waits: str, add: _Add, race: Callable[[], list[bool]]) -> None:
        self.clock, self.waits = clock, waits
        self._add, self._race = add, race

    def add(self, number: int, *, keep: float = KEEP, issuer: str = ONE, issued_at: float | None = None) -> bool:
        """Add an id that stands for `number`; the token was signed just now unless said otherwise."""
        issued_at = self.clock() if issued_at is None else issued_at
        return self._add(key_of(number), keep, issuer=issuer, issued_at=issued_at)

    def refuses(self, kind: type[Exception], number: int, *, issuer: str = ONE, issued_at: float | None = None) -> bool:
        """Tell whether adding the id raises `kind`."""
        try:
            self.add(number, issuer=issuer, issued_at=issued_at)
        except kind:
            return True
        return False

    def admits(self, number: int, *, issued_at: float) -> bool:
        """Tell whether the id counts as new; to refuse for doubt is as good as to remember."""
        try:
            return self.add(number, issued_at=issued_at)
        except StoreError:
            return False

    def winners(self) -> int:
        """Present one id many times at once, and return how many of them were told that it is new."""
        return self._race().count(True)


class Cases:
    """One method a case; a subclass says how a trial is opened."""

    _may_wait: tuple[str, ...] = ()

    def _trial(self, *, capacity: int = 1000, quota: int = 1000) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def test_cache_says_how_it_waits(self) -> None:
        with self._trial() as trial:
            _check(trial.waits in self._may_wait, f"waits is {trial.waits!r}, expected one of {self._may_wait}")

    def test_id_is_new_the_first_time_only(self) -> None:
        with self._trial() as trial:
            answers = [trial.add(1), trial.add(1), trial.add(1)]
            _check(answers == [True, False, False], f"one id added three times: {answers}")

    def test_ids_do_not_touch_each_other(self) -> None:
        with self._trial() as trial:
            answers = [trial.add(number) for number in range(500)]
            _check(all(answers), "an id was taken for another one")

    def test_ids_of_every_issuer_are_new_once(self) -> None:
        with self._trial() as trial:
            answers = [trial.add(1, issuer=ONE), trial.add(2, issuer=OTHER), trial.add(2, issuer=OTHER)]
            _check(answers == [True, True, False], f"ids of two issuers: {answers}")

    def test_id_is_remembered_to_the_last_second_of_its_keep(self) -> None:
        with self._trial() as trial:
            signed = trial.clock()
            trial.add(1)
            for second in range(1, int(KEEP)):
                trial.clock.advance(1)
                trial.add(1000 + second)
            _check(not trial.admits(1, issued_at=signed), "an id was forgotten before its keep was over")

    def test_short_keep_does_not_shorten_a_long_one(self) -> None:
        with self._trial() as trial:
            for number in range(100, 104):
                trial.add(number, keep=1.0)
                trial.clock.advance(2)
            signed = trial.clock()
            trial.add(1, keep=10 * KEEP)
            for number in range(2, 40):
                trial.add(number, keep=1.0)
                trial.clock.advance(KEEP / 4)
            _check(not trial.admits(1, issued_at=signed), "an id with a long keep went with those of a short one")

    def test_ids_that_are_over_make_room(self) -> None:
        with self._trial(capacity=8, quota=8) as trial:
            for number in range(8):
                trial.add(number)
            trial.clock.advance(3 * KEEP)
            answers = [trial.add(number) for number in range(100, 104)]
            _check(all(answers), "ids whose keep is long over still take up room")

    def test_clock_that_steps_back_admits_nothing_again(self) -> None:
        with self._trial() as trial:
            signed = trial.clock()
            trial.add(1)
            trial.clock.step_back(12 * KEEP)
            _check(not trial.admits(1, issued_at=signed), "an id was new again after the clock stepped back")

    def test_clock_that_steps_forward_and_back_admits_nothing_again(self) -> None:
        with self._trial() as trial:
            signed = trial.clock()
            trial.add(1)
            for number in range(2, 6):
                trial.clock.set(trial.clock() + 2 * KEEP)
                trial.add(number)
            trial.clock.set(signed + 1)
            _check(not trial.admits(1, issued_at=signed), "an id was new again after the clock went forth and back")

    def test_full_cache_refuses_what_is_new(self) -> None:
        with self._trial(capacity=4, quota=2) as trial:
            _fill(trial)
            _check(trial.refuses(StoreError, 9, issuer=THIRD), "a full cache did not raise StoreError")

    def test_full_cache_forgets_nothing(self) -> None:
        with self._trial(capacity=4, quota=2) as trial:
            _fill(trial)
            trial.refuses(StoreError, 9, issuer=THIRD)
            answers = [trial.add(number, issuer=ONE if number < 3 else OTHER) for number in (1, 2, 3, 4)]
            _check(answers == [False] * 4, f"ids that a full cache holds: {answers}")

    def test_quota_refuses_that_issuer_alone(self) -> None:
        with self._trial(capacity=100, quota=3) as trial:
            for number in range(3):
                trial.add(number)
            _check(trial.refuses(QuotaError, 3), "an issuer beyond its quota did not get QuotaError")
            _check(trial.add(4, issuer=OTHER), "an issuer was refused for the quota of another one")

    def test_id_refused_for_the_quota_is_still_new_later(self) -> None:
        with self._trial(capacity=100, quota=1) as trial:
            trial.add(1)
            _check(trial.refuses(QuotaError, 2), "an issuer beyond its quota did not get QuotaError")
            trial.clock.advance(3 * KEEP)
            _check(trial.add(2), "a refused id was recorded")

    def test_token_signed_before_the_cache_was_made_is_refused(self) -> None:
        with self._trial() as trial:
            born = trial.clock() - 1
            for issued_at in (born - 10, born - 0.001):
                _check(trial.refuses(StoreError, 1, issued_at=issued_at), "a token from before the birth was accepted")

    def test_token_signed_after_the_cache_was_made_is_accepted(self) -> None:
        with self._trial() as trial:
            _check(trial.add(1, issued_at=trial.clock() - 0.9), "a token from after the birth was refused")

    def test_id_refused_for_its_age_is_not_recorded(self) -> None:
        with self._trial() as trial:
            _check(trial.refuses(StoreError, 1, issued_at=trial.clock() - 60), "a token from before the birth")
            _check(trial.add(1), "a refused id was recorded")

    def test_one_of_many_copies_at_once_is_new(self) -> None:
        with self._trial() as trial:
            winners = trial.winners()
            _check(winners == 1, f"of {COPIES} copies of one id at once, {winners} were new")


def key_of(number: int) -> bytes:
    """Return the 16 bytes of an id: spread evenly, as those of a receiver are."""
    return blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def _fill(trial: Trial) -> None:
    """Fill a cache of capacity 4 and quota 2 with the ids 1 to 4."""
    for number in (1, 2, 3, 4):
        trial.add(number, issuer=ONE if number < 3 else OTHER)


def _check(holds: bool, otherwise: str) -> None:
    """Assert; not the statement, which python -O removes and which pytest explains in test modules only."""
    if not holds:
        raise AssertionError(otherwise)
