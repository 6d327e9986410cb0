"""Floods, outages, rotation and revocation, on a simulated clock: what a receiver lives through in an hour."""

from __future__ import annotations

import pytest

from signedmsg import KeyDirectoryError, SigningKey
from signedmsg._core.events import DirectoryExpired, DirectoryStale, FloodSuppressed

from .simulated import Simulation

A, B = SigningKey.generate(), SigningKey.generate()


def warm(*keys: SigningKey) -> Simulation:
    world = Simulation(*keys)
    assert world.find(keys[0].kid) == "found"
    world.reads.clear()
    return world


def flood(world: Simulation, tokens: int, seconds: float) -> set[str]:
    """Look for so many kids that nobody has, spread over so many seconds."""
    start = world.time
    found = set()
    for number in range(tokens):
        world.time = max(world.time, start + seconds * number / tokens)
        found.add(world.find(f"random-{number}"))
    return found


def most_within(reads: list[float], seconds: float) -> int:
    return max((sum(begin <= at < begin + seconds for at in reads) for begin in reads), default=0)


def test_flood_of_random_kids_causes_one_read_a_cooldown_and_each_is_refused_as_unknown() -> None:
    world = warm(A)
    assert flood(world, 200, 120.0) == {"unknown_key"}
    assert most_within(world.reads, 30.0) == 1
    assert len(world.reads) <= 4
    assert world.seen(FloodSuppressed) == len(world.reads)


def test_flood_at_one_instant_causes_one_read() -> None:
    world = warm(A)
    flood(world, 200, 0.0)
    assert len(world.reads) == 1


@pytest.mark.parametrize("trouble", ["fail", "hang"])
@pytest.mark.parametrize("state", ["cold", "warm", "old", "stale", "expired"])
def test_flood_while_the_source_is_in_trouble_causes_at_most_6_reads_a_minute(trouble: str, state: str) -> None:
    world = Simulation(A) if state == "cold" else warm(A)
    world.time += {"cold": 0, "warm": 5, "old": 250, "stale": 400, "expired": 4000}[state]
    getattr(world, trouble)()
    usable = state in ("warm", "old", "stale")
    assert flood(world, 200, 60.0) == {"unknown_key" if usable else "key_unavailable"}
    assert 1 <= most_within(world.reads, 60.0) <= 6


@pytest.mark.parametrize("trouble", ["fail", "hang"])
def test_flood_beside_known_kids_while_the_source_is_in_trouble_causes_at_most_6_reads_a_minute(trouble: str) -> None:
    world = warm(A)
    getattr(world, trouble)()
    for second in range(900):
        world.time += 1
        assert world.find(A.kid) == "found"
        assert world.find(f"random-{second}") == "unknown_key"
    assert most_within(world.reads, 60.0) <= 6


def test_known_kid_never_waits_though_every_read_hangs() -> None:
    world = warm(A)
    world.hang()
    begin = world.time
    while world.time < begin + 3600:
        world.time += 1
        assert world.find(A.kid) == "found"
    assert world.waited == 0
    assert len(world.reads) > 10


@pytest.mark.parametrize("after", [0, 100, 239])
def test_directory_that_is_down_for_an_hour_refuses_no_message_of_a_known_key(after: float) -> None:
    world = warm(A)
    world.time += after
    world.fail()
    for _ in range(3600):
        world.time += 1
        assert world.find(A.kid) == "found"
    assert world.keys.health(world.time).state == "stale"
    assert world.seen(DirectoryStale) == 1
    world.serve(A, B)
    world.time += 60
    assert world.find(A.kid) == "found"
    assert world.keys.health(world.time).state == "fresh"
    assert world.find(B.kid) == "found"


def test_directory_that_is_down_past_the_hard_limit_is_our_outage_and_not_their_unknown_key() -> None:
    world = warm(A)
    world.fail()
    world.time += 3901
    assert world.find(A.kid) == "key_unavailable"
    assert world.find("nobody") == "key_unavailable"
    assert world.keys.health(world.time).state == "unavailable"
    assert world.seen(DirectoryExpired) == 1
    world.serve(A)
    world.time += 60
    assert world.find(A.kid) == "found"


def test_flooded_issuer_does_not_hold_up_the_rotation_of_another() -> None:
    flooded, other = warm(A), warm(A)
    flood(flooded, 200, 0.0)
    other.time = flooded.time
    other.serve(A, B)
    assert other.find(B.kid) == "found"


def test_new_key_is_found_at_the_first_message_right_after_the_set_was_read() -> None:
    world = warm(A)
    world.serve(A, B)
    assert world.find(B.kid) == "found"
    assert len(world.reads) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [({}, "unknown_key"), ({"revoked": [{"kid": A.kid}]}, "key_not_valid")],
    ids=["removed", "revoked"],
)
@pytest.mark.parametrize("left", [(), (B,)], ids=["empty", "another"])
def test_key_taken_away_is_refused_within_the_soft_lifetime(
    left: tuple[SigningKey, ...], more: dict[str, object], code: str
) -> None:
    world = warm(A)
    world.serve(*left, **more)
    begin = world.time
    while world.find(A.kid) == "found":
        world.time += 1
    assert world.find(A.kid) == code
    assert 0 < world.time - begin <= 300


@pytest.mark.parametrize(
    ("more", "code"),
    [({}, "unknown_key"), ({"revoked": [{"kid": A.kid}]}, "key_not_valid")],
    ids=["removed", "revoked"],
)
def test_key_taken_away_is_refused_at_once_after_a_refresh(more: dict[str, object], code: str) -> None:
    world = warm(A)
    world.serve(**more)
    world.refresh()
    assert world.find(A.kid) == code


def test_refresh_that_fails_says_so_and_keeps_the_keys() -> None:
    world = warm(A)
    world.fail()
    with pytest.raises(KeyDirectoryError, match="down"):
        world.refresh()
    assert world.find(A.kid) == "found"


def test_refresh_reads_however_often_the_source_failed_before() -> None:
    world = warm(A)
    world.fail()
    for _ in range(5):
        with pytest.raises(KeyDirectoryError):
            world.refresh()
    world.serve(B)
    world.refresh()
    assert len(world.reads) == 6
    assert world.find(B.kid) == "found"


def test_quiet_issuer_is_read_once_in_four_minutes_under_load() -> None:
    world = warm(A)
    for _ in range(3600):
        world.time += 1
        world.find(A.kid)
    assert 15 <= len(world.reads) <= 17
