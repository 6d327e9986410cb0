"""What is special to a replay cache in Redis: its clients, its clocks, its shares, and what it leaves on the server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
import valkey
import valkey.asyncio

from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores._redis_replay_script import HIDDEN, NAMELESS
from signedmsg.stores.redis import AsyncRedisInbox, AsyncRedisReplayCache, RedisInbox, RedisReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, add, key, later
from tests.stores.redis_clients import connect, until_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from signedmsg.stores._redis_client import RedisClient

FAR = 2e10
OTHER = "https://other.example"

BLOCKING: list[Callable[[], Any]] = [redis.Redis, valkey.Valkey]
SUSPENDING: list[Callable[[], Any]] = [redis.asyncio.Redis, valkey.asyncio.Valkey]


@pytest.fixture
def client(redis_url: str) -> Generator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


def skewed(client: RedisClient, prefix: str, seconds: float) -> RedisReplayCache:
    """Return a cache whose receiver's clock is ahead of the server's."""
    return RedisReplayCache(client, prefix=prefix, clock=lambda: time.time() + seconds)


@pytest.mark.parametrize("kind", [RedisReplayCache, RedisInbox])
@pytest.mark.parametrize("make", SUSPENDING)
def test_blocking_store_refuses_an_asyncio_client(kind: Callable[[Any], object], make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="client: expected a blocking client"):
        kind(make())


@pytest.mark.parametrize("kind", [AsyncRedisReplayCache, AsyncRedisInbox])
@pytest.mark.parametrize("make", BLOCKING)
def test_async_store_refuses_a_blocking_client(kind: Callable[[Any], object], make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="client: expected an asyncio client"):
        kind(make())


@pytest.mark.parametrize("kind", [RedisReplayCache, AsyncRedisReplayCache, RedisInbox, AsyncRedisInbox])
def test_what_is_no_client_is_refused(kind: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="client: expected a client of redis-py or valkey-py, got str"):
        kind("redis://localhost")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"prefix": ""}, ValueError, "prefix: expected 1 to 64 characters"),
    ({"prefix": "all{in}one"}, ValueError, "prefix: expected 1 to 64 characters"),
    ({"prefix": b"signedmsg"}, TypeError, "prefix: expected a str, got bytes"),
    ({"quota": 1023}, ValueError, "quota: expected at least 1024 ids"),
    ({"capacity": 100}, ValueError, "quota: expected at least 1024 ids"),
    ({"capacity": 0}, ValueError, "capacity: expected at least 1"),
    ({"leeway": -1}, ValueError, "leeway: expected a number of seconds"),
]


@pytest.mark.parametrize(("options", "kind", "text"), WRONG)
def test_wrong_option_is_refused_by_its_name(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    for store, client in ((RedisReplayCache, redis.Redis()), (AsyncRedisReplayCache, redis.asyncio.Redis())):
        with pytest.raises(kind, match=text):
            store(client, **options)  # type: ignore[operator]


@pytest.mark.parametrize("size", [0, 15, 17])
def test_key_of_another_size_is_refused(size: int) -> None:
    # Or else it could be the name of a field that is no id.
    with pytest.raises(ValueError, match="key: expected 16 bytes"):
        RedisReplayCache(redis.Redis()).add(b"k" * size, KEEP, issuer=ISSUER, issued_at=FAR)


@pytest.mark.parametrize("keep", [0.0, -1.0, float("nan")])
def test_keep_that_is_not_positive_is_refused(keep: float) -> None:
    with pytest.raises(ValueError, match="keep: expected a positive number"):
        add(RedisReplayCache(redis.Redis()), 1, FAR, keep=keep)


@pytest.mark.real_server
def test_client_that_decodes_what_it_reads_will_do(redis_url: str, prefix: str) -> None:
    with connect(redis_url, decode_responses=True) as client:
        cache = RedisReplayCache(client, prefix=prefix)
        assert [add(cache, 1, FAR), add(cache, 1, FAR)] == [True, False]


@pytest.mark.real_server
def test_client_that_speaks_the_older_protocol_will_do(redis_url: str, prefix: str) -> None:
    with connect(redis_url, protocol=2) as client:
        cache = RedisReplayCache(client, prefix=prefix)
        assert [add(cache, 1, FAR), add(cache, 1, FAR)] == [True, False]


@pytest.mark.real_server
def test_first_message_after_prepare_is_accepted_at_once(client: redis.Redis, prefix: str) -> None:
    cache = RedisReplayCache(client, prefix=prefix)
    cache.prepare()
    assert add(cache, 1, time.time())


@pytest.mark.real_server
def test_first_message_without_prepare_is_refused_and_the_second_accepted(client: redis.Redis, prefix: str) -> None:
    cache = RedisReplayCache(client, prefix=prefix)
    with pytest.raises(StoreError, match="was made"):
        add(cache, 1, time.time())
    assert add(cache, 2, time.time())


@pytest.mark.real_server
def test_existing_cache_is_no_news_to_another_process(client: redis.Redis, prefix: str) -> None:
    RedisReplayCache(client, prefix=prefix).prepare()
    signed = time.time()
    assert add(RedisReplayCache(client, prefix=prefix), 1, signed)


@pytest.mark.real_server
def test_caches_with_other_prefixes_are_apart(client: redis.Redis, prefix: str) -> None:
    one, other = (RedisReplayCache(client, prefix=prefix + end) for end in "ab")
    assert [add(one, 1, FAR), add(other, 1, FAR), add(one, 1, FAR)] == [True, True, False]


@pytest.mark.real_server
@pytest.mark.parametrize("seconds", [61.0, -61.0])
def test_receiver_whose_clock_is_far_from_the_servers_refuses(client: redis.Redis, prefix: str, seconds: float) -> None:
    where = "behind" if seconds > 0 else "ahead of"
    with pytest.raises(StoreError, match=f"clock is 6[01] s {where} this receiver's"):
        add(skewed(client, prefix, seconds), 1, FAR)


@pytest.mark.real_server
@pytest.mark.parametrize("seconds", [50.0, -50.0])
def test_birth_is_told_by_the_receivers_clock(client: redis.Redis, prefix: str, seconds: float) -> None:
    cache = skewed(client, prefix, seconds)
    before = time.time() + seconds - 0.001
    cache.prepare()
    with pytest.raises(StoreError, match="was made"):
        add(cache, 1, before)
    assert add(cache, 1, time.time() + seconds)


@pytest.mark.real_server
def test_token_that_seems_young_because_its_call_took_long_is_refused(client: redis.Redis, prefix: str) -> None:
    # The call was made before the cache was, and run after: on a server that was stopped in between.
    RedisReplayCache(client, prefix=prefix).prepare()
    readings = [time.time() - 30]

    def clock() -> float:
        return readings.pop() if readings else time.time()

    cache = RedisReplayCache(client, prefix=prefix, clock=clock)
    cache._shards.ready = True
    with pytest.raises(StoreError, match="was made"):
        add(cache, 1, time.time() - 20)


@pytest.mark.real_server
@pytest.mark.parametrize("issued_at", [float("nan"), float("-inf"), -1e300])
def test_time_that_is_no_time_is_refused(client: redis.Redis, prefix: str, issued_at: float) -> None:
    with pytest.raises(StoreError):
        add(RedisReplayCache(client, prefix=prefix), 1, issued_at)


@pytest.mark.real_server
@pytest.mark.parametrize("keep", [0.0000001, 1e300, float("inf")])
def test_any_positive_keep_will_do(client: redis.Redis, prefix: str, keep: float) -> None:
    assert add(RedisReplayCache(client, prefix=prefix), 1, FAR, keep=keep)


@pytest.mark.real_server
def test_quota_that_is_shared_out_is_near_to_what_was_asked_for(client: redis.Redis, prefix: str) -> None:
    cache = RedisReplayCache(client, prefix=prefix, quota=6400)
    cache.prepare()
    accepted = until_refused(lambda number: add(cache, number, FAR))
    assert 0.6 * 6400 < accepted <= 6400
    with pytest.raises(QuotaError, match="6400 ids") as refused:
        add(cache, accepted, FAR)
    assert 1 <= refused.value.retry_after <= KEEP
    assert add(cache, 10_000, FAR, issuer=OTHER)


@pytest.mark.real_server
def test_what_stays_on_the_server_is_two_keys_a_shard(client: redis.Redis, prefix: str) -> None:
    clock = ManualClock()
    cache = RedisReplayCache(client, prefix=prefix, clock=clock, _server_clock=clock)
    cache.prepare()
    for turn in range(6):
        for number in range(200):
            add(cache, 1000 * turn + number, clock(), keep=10.0)
        later(clock, 11.0)
    keys = list(client.scan_iter(f"{prefix}:*", count=10_000))
    fields = sum(client.hlen(name) for name in keys)
    assert len(keys) <= 128
    assert fields < 64 * 2 * 12 + 600


@pytest.mark.real_server
def test_no_key_has_a_time_to_live(client: redis.Redis, prefix: str) -> None:
    # A policy such as volatile-ttl evicts nothing then, and an idle shard is not born anew.
    add(RedisReplayCache(client, prefix=prefix), 1, FAR)
    assert {client.ttl(name) for name in client.scan_iter(f"{prefix}:*", count=10_000)} == {-1}


@pytest.mark.real_server
def test_ids_are_spread_over_a_cluster(redis_cluster_url: str, prefix: str) -> None:
    with redis.RedisCluster.from_url(redis_cluster_url) as client:
        RedisReplayCache(client, prefix=prefix).prepare()
        held = [sum(1 for _ in client.scan_iter(f"{prefix}:*", target_nodes=node)) for node in client.get_nodes()]
    assert sum(held) == 64
    assert min(held) > 12


@pytest.mark.parametrize(
    ("status", "hint"), [(HIDDEN, "dangerously_skip_eviction_check=True"), (NAMELESS, "call INFO in scripts")]
)
def test_server_that_hides_what_must_be_known_is_refused_with_what_to_do(status: int, hint: str) -> None:
    class Hides:
        def execute_command(self, *words: Any) -> bytes:
            return b"%d %d 0 0 0" % (time.time() * 1e6, status)

        def pipeline(self, *, transaction: bool) -> Any:
            raise AssertionError("not asked for")

    cache = RedisReplayCache(Hides())
    cache._shards.ready = True
    with pytest.raises(StoreError, match="does not tell") as refused:
        add(cache, 1, FAR)
    assert hint in str(refused.value.hint)


@pytest.mark.real_server
def test_async_cache_says_that_it_needs_asyncio(redis_url: str) -> None:
    import trio

    cache = AsyncRedisReplayCache(redis.asyncio.Redis.from_url(redis_url))
    with pytest.raises(StoreError, match="not on trio"):
        trio.run(lambda: cache.add(key(1), KEEP, issuer=ISSUER, issued_at=FAR))


def test_repr_shows_no_address() -> None:
    client = redis.Redis.from_url("redis://:hunter2@127.0.0.1:1")
    shown = [repr(store(client)) for store in (RedisReplayCache, RedisInbox)]
    assert shown == ["<RedisReplayCache signedmsg: 10000000 ids, 5000000 an issuer>", "<RedisInbox 'default'>"]
    assert asyncio.iscoroutinefunction(AsyncRedisReplayCache.add)
