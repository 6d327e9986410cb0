"""A token that was accepted before Redis lost something is never accepted again, whoever presents it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores.redis import RedisReplayCache
from signedmsg.testing import ManualClock
from tests.servers import valkey
from tests.stores.helpers import KEEP, add, key
from tests.stores.redis_clients import CLUSTER, Switch, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.real_server

LEEWAY = 30.0
# Enough that each of the 64 shards is very likely to hold some.
IDS = range(400)


@pytest.fixture
def switch(redis_server: Valkey) -> Generator[Switch]:
    with connect(redis_server.url) as client:
        yield Switch(client)


def prepared(switch: Switch, **options: float) -> RedisReplayCache:
    cache = RedisReplayCache(switch, leeway=LEEWAY, **options)
    cache.prepare()
    return cache


def accept(cache: RedisReplayCache) -> float:
    """Accept a token of each number and return when they were signed."""
    signed = time.time()
    assert all(add(cache, number, signed) for number in IDS)
    return signed


def accepted(cache: RedisReplayCache, signed: float) -> list[int]:
    """Present the tokens again and return which are accepted."""
    return [number for number in IDS if admits(cache, number, signed)]


def admits(cache: RedisReplayCache, number: int, signed: float) -> bool:
    try:
        return add(cache, number, signed)
    except StoreError:
        return False


def refusal(cache: RedisReplayCache, number: int, signed: float) -> str:
    with pytest.raises(StoreError) as caught:
        add(cache, number, signed)
    return str(caught.value)


def flush(server: Valkey) -> None:
    server.command("FLUSHALL")


def restart_empty(server: Valkey) -> None:
    server.restart()


def delete_young_generations(server: Valkey) -> None:
    for shard in range(64):
        server.command("DEL", f"signedmsg:{{{shard}}}:young")


LOSSES = [flush, restart_empty, delete_young_generations]


@pytest.mark.parametrize("lose", LOSSES)
def test_accepted_tokens_are_refused_after_a_loss(
    redis_server: Valkey, switch: Switch, lose: Callable[[Valkey], None]
) -> None:
    cache = prepared(switch)
    signed = accept(cache)
    lose(redis_server)
    assert accepted(cache, signed) == []


@pytest.mark.parametrize("lose", LOSSES)
def test_process_that_never_saw_the_lost_ids_refuses_them(
    redis_server: Valkey, switch: Switch, lose: Callable[[Valkey], None]
) -> None:
    signed = accept(prepared(switch))
    lose(redis_server)
    assert accepted(RedisReplayCache(switch, leeway=LEEWAY), signed) == []


def test_snapshot_from_before_the_tokens_is_noticed(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch)
    redis_server.command("SAVE")
    signed = accept(cache)
    redis_server.restart()
    assert redis_server.command("DBSIZE") == 64
    assert accepted(cache, signed) == []
    assert accepted(RedisReplayCache(switch), signed) == []


def test_restart_that_lost_nothing_is_refused_all_the_same(redis_server: Valkey, switch: Switch) -> None:
    # Nobody can know: the last second of an append-only file may be missing.
    cache = prepared(switch)
    signed = accept(cache)
    redis_server.command("SAVE")
    redis_server.restart()
    assert "lost its memory" in refusal(cache, 1000, signed)


def test_ids_that_outlived_a_restart_are_still_known(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch)
    later = time.time() + LEEWAY + 20
    assert add(cache, 1, later)
    redis_server.command("SAVE")
    redis_server.restart()
    assert add(cache, 1, later) is False


@pytest.mark.parametrize("lose", LOSSES)
def test_token_signed_within_the_leeway_of_a_loss_is_refused_where_the_cache_was_in_use(
    redis_server: Valkey, switch: Switch, lose: Callable[[Valkey], None]
) -> None:
    cache = prepared(switch)
    lose(redis_server)
    assert "lost its memory" in refusal(cache, 1, time.time() + LEEWAY - 1)


@pytest.mark.parametrize("lose", LOSSES)
def test_token_signed_after_the_leeway_is_accepted(
    redis_server: Valkey, switch: Switch, lose: Callable[[Valkey], None]
) -> None:
    cache = prepared(switch)
    lose(redis_server)
    assert refusal(cache, 1, time.time())
    assert add(cache, 2, time.time() + LEEWAY + 1)


def test_one_process_that_knew_the_lost_cache_is_enough_for_all_to_keep_the_leeway(
    redis_server: Valkey, switch: Switch
) -> None:
    old = prepared(switch)
    flush(redis_server)
    new = prepared(switch)
    assert refusal(old, 1, time.time())
    assert "lost its memory" in refusal(new, 1, time.time() + LEEWAY - 1)


def test_new_process_needs_no_leeway_where_nobody_knew_the_cache(redis_server: Valkey, switch: Switch) -> None:
    prepared(switch)
    flush(redis_server)
    assert add(prepared(switch), 1, time.time())


def test_one_loss_is_noticed_in_all_shards_at_once(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch)
    flush(redis_server)
    refusal(cache, 1, time.time())
    assert redis_server.command("DBSIZE") == 64


def test_older_generation_that_was_deleted_is_noticed(redis_server: Valkey, switch: Switch) -> None:
    clock = ManualClock(time.time())
    cache = RedisReplayCache(switch, leeway=LEEWAY, clock=clock, _server_clock=clock)
    cache.prepare()
    signed = clock()
    assert all(add(cache, number, signed) for number in range(1000))
    # These ids join the first ones; the next find those over but these not, so that each shard has two generations.
    clock.advance(KEEP - 100)
    assert all(add(cache, number, clock()) for number in range(1000, 2000))
    clock.advance(101)
    assert all(add(cache, number, clock()) for number in range(2000, 3000))
    for shard in range(64):
        assert redis_server.command("DEL", f"signedmsg:{{{shard}}}:old") == 1
    assert [number for number in range(1000, 2000) if admits(cache, number, signed + KEEP - 100)] == []


def test_policy_that_is_set_later_is_noticed_when_a_shard_turns(redis_server: Valkey, switch: Switch) -> None:
    clock = ManualClock(time.time())
    cache = RedisReplayCache(switch, clock=clock, _server_clock=clock)
    cache.prepare()
    assert add(cache, 1, clock())
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    clock.advance(KEEP + 1)
    beside = next(number for number in range(2, 10_000) if key(number)[0] % 64 == key(1)[0] % 64)
    assert "noeviction" in refusal(cache, beside, clock())


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_server_that_may_evict_is_refused(redis_server: Valkey, switch: Switch, policy: str) -> None:
    redis_server.command("CONFIG", "SET", "maxmemory-policy", policy)
    with pytest.raises(StoreError, match="maxmemory-policy is not noeviction"):
        prepared(switch)


def test_server_is_accepted_again_once_it_does_not_evict(redis_server: Valkey, switch: Switch) -> None:
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    cache = RedisReplayCache(switch)
    refusal(cache, 1, time.time())
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert add(cache, 1, time.time() + 1)


def test_policy_that_is_set_later_evicts_no_accepted_token_unnoticed(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch)
    signed = accept(cache)
    evict(redis_server)
    assert redis_server.command("DBSIZE") != 64
    assert accepted(cache, signed) == []


def test_evictions_are_noticed_where_the_policy_is_not_asked_for(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch, dangerously_skip_eviction_check=True)
    signed = accept(cache)
    evict(redis_server)
    assert accepted(cache, signed) == []


def evict(server: Valkey) -> None:
    """Let the server evict about everything, and give it room again."""
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    server.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(valkey.redis.RedisError):
        server.command("SET", "one more", "key")
    server.command("CONFIG", "SET", "maxmemory", "0")
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_full_server_refuses_and_forgets_nothing(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch)
    signed = accept(cache)
    redis_server.command("CONFIG", "SET", "maxmemory", "1")
    assert "maxmemory" in refusal(cache, 1000, time.time())
    assert accepted(cache, signed) == []
    redis_server.command("CONFIG", "SET", "maxmemory", "0")
    assert add(cache, 1000, time.time())


def test_loss_does_not_matter_where_earlier_tokens_are_accepted(redis_server: Valkey, switch: Switch) -> None:
    cache = prepared(switch, dangerously_accept_earlier=True)
    flush(redis_server)
    assert add(cache, 1, time.time() - 100)


@pytest.mark.slow
def test_node_of_a_cluster_that_restarts_empty_is_noticed() -> None:
    with valkey.cluster() as nodes, CLUSTER["redis"](nodes[0].url) as client:
        cache = RedisReplayCache(client, leeway=LEEWAY)
        cache.prepare()
        signed = accept(cache)
        nodes[1].restart()
        valkey.until(lambda: all(valkey.is_whole(node, 3) for node in nodes), "a cluster that is whole again")
        assert accepted(cache, signed) == []
        assert accepted(RedisReplayCache(client), signed) == []
        assert all(add(cache, number, time.time() + LEEWAY + 1) for number in range(1000, 1100))
