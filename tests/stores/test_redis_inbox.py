"""What is special to an inbox in Redis: its options, what its keys look like, and how long they stay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from signedmsg._core.inbox import Done
from signedmsg.errors import LeaseLostError, StoreError
from signedmsg.stores.redis import RedisInbox
from signedmsg.testing import ManualClock
from tests.stores.redis_arrivals import LEASE, arrival, claimed
from tests.stores.redis_clients import connect, until_refused

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def client(redis_url: str) -> Generator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def inbox(client: redis.Redis, prefix: str) -> RedisInbox:
    return RedisInbox(client, prefix=prefix)


def lives(client: redis.Redis, prefix: str) -> list[int]:
    """Return the seconds that each row has to live."""
    return [client.ttl(name) for name in client.scan_iter(f"{prefix}:*", count=10_000) if b"share" not in name]


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"name": ""}, ValueError, "name: expected 1 to 128 visible ASCII"),
    ({"prefix": "{"}, ValueError, "prefix: expected 1 to 64 characters"),
    ({"retention": -1}, ValueError, "retention: expected a number of seconds"),
    ({"quota": 10}, ValueError, "quota: expected at least 1024 messages"),
    ({"quota": 2000.0}, TypeError, "quota: expected an int, got float"),
]


@pytest.mark.parametrize(("options", "kind", "text"), WRONG)
def test_wrong_option_is_refused_by_its_name(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        RedisInbox(redis.Redis(), **options)


def test_inbox_says_what_it_is_not() -> None:
    inbox = RedisInbox(redis.Redis())
    assert (inbox.shared, inbox.durable, inbox.transactional, inbox.queues) == (True, False, False, False)


@pytest.mark.real_server
def test_row_of_a_done_message_goes_by_itself_after_its_time(
    client: redis.Redis, inbox: RedisInbox, prefix: str
) -> None:
    inbox.commit(claimed(inbox.begin(arrival(1, keep=1000), LEASE)), 200)
    (seconds,) = lives(client, prefix)
    assert 1000 < seconds <= 1000 + 121


@pytest.mark.real_server
def test_row_of_a_running_message_outlives_its_time_by_a_day(
    client: redis.Redis, inbox: RedisInbox, prefix: str
) -> None:
    inbox.begin(arrival(1, keep=1000), LEASE)
    (seconds,) = lives(client, prefix)
    assert 86_400 + 990 < seconds <= 86_400 + 1001


@pytest.mark.real_server
def test_message_whose_time_is_over_can_still_be_committed(client: redis.Redis, prefix: str) -> None:
    clock = ManualClock(time.time())
    inbox = RedisInbox(client, prefix=prefix, _server_clock=clock)
    claim = claimed(inbox.begin(arrival(1, keep=50), LEASE))
    clock.advance(1000)
    inbox.commit(claim, 200)
    assert claimed(inbox.begin(arrival(1), LEASE))


@pytest.mark.real_server
def test_message_whose_row_may_be_gone_is_refused(inbox: RedisInbox) -> None:
    with pytest.raises(StoreError, match="not known"):
        inbox.begin(arrival(1, keep=-1000), LEASE)


@pytest.mark.real_server
def test_who_held_a_message_before_it_was_forgotten_cannot_finish_it(client: redis.Redis, prefix: str) -> None:
    # On a clock that stands still, so that the fence does not grow by time alone.
    inbox = RedisInbox(client, prefix=prefix, _server_clock=ManualClock(time.time()))
    old = claimed(inbox.begin(arrival(1), LEASE))
    inbox.reject(old, "no")
    assert inbox.forget(*arrival(1)[:2])
    new = claimed(inbox.begin(arrival(1), LEASE))
    with pytest.raises(LeaseLostError):
        inbox.commit(old, 200)
    inbox.commit(new, 204)
    assert inbox.begin(arrival(1), LEASE) == Done(204)


@pytest.mark.real_server
def test_commit_cannot_become_a_rejection(inbox: RedisInbox) -> None:
    claim = claimed(inbox.begin(arrival(1), LEASE))
    inbox.commit(claim, 200)
    with pytest.raises(LeaseLostError):
        inbox.reject(claim, "no")
    assert inbox.begin(arrival(1), LEASE) == Done(200)


@pytest.mark.real_server
def test_client_that_decodes_what_it_reads_will_do(redis_url: str, prefix: str) -> None:
    with connect(redis_url, decode_responses=True) as client:
        inbox = RedisInbox(client, prefix=prefix)
        inbox.reject(claimed(inbox.begin(arrival(1), LEASE)), "no_such_account")
        assert inbox.begin(arrival(1), LEASE) == ("no_such_account",)


@pytest.mark.real_server
def test_quota_of_an_inbox_is_shared_out(client: redis.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, prefix=prefix, quota=1024)
    taken = until_refused(lambda number: inbox.begin(arrival(number), LEASE))
    assert 256 < taken <= 1024
    assert claimed(inbox.begin(arrival(5000, issuer="https://other.example"), LEASE))


@pytest.mark.real_server
def test_names_that_look_like_parts_of_keys_are_apart(client: redis.Redis, prefix: str) -> None:
    one = RedisInbox(client, "b:inbox:c", prefix=prefix)
    two = RedisInbox(client, "c", prefix=f"{prefix}:inbox:b")
    one.commit(claimed(one.begin(arrival(1), LEASE)), 200)
    assert claimed(two.begin(arrival(1), LEASE))


@pytest.mark.real_server
def test_rows_of_a_name_with_braces_are_spread_all_the_same(client: redis.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, "a{b}", prefix=prefix)
    for number in range(50):
        inbox.begin(arrival(number), LEASE)
    tags = {bytes(name).partition(b"{")[2].partition(b"}")[0] for name in client.scan_iter(f"{prefix}:*", count=10_000)}
    assert len(tags) > 20
