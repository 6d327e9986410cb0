"""A failover to a server that missed writes is noticed by every process, however the servers change places."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from redis.sentinel import Sentinel

from signedmsg.stores.redis import RedisReplayCache
from tests.servers import valkey as servers
from tests.stores.redis_clients import Switch, connect
from tests.stores.test_redis_loss import LEEWAY, accept, accepted, add, prepared, refusal

if TYPE_CHECKING:
    from collections.abc import Generator

    import redis

    from tests.servers.valkey import Valkey

pytestmark = [pytest.mark.real_server, pytest.mark.slow]

Pair = tuple["Valkey", "Valkey"]


@pytest.fixture
def clients(redis_pair: Pair) -> Generator[tuple[redis.Redis, redis.Redis]]:
    with connect(redis_pair[0].url) as first, connect(redis_pair[1].url) as second:
        yield first, second


@pytest.fixture
def switch(clients: tuple[redis.Redis, redis.Redis]) -> Switch:
    return Switch(clients[0])


def test_replica_that_missed_the_tokens_is_noticed(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    primary, replica = redis_pair
    cache = prepared(switch)
    replica.catch_up(primary)
    replica.fall_behind(primary)
    signed = accept(cache)
    primary.kill()
    replica.promote()
    switch.client = clients[1]
    assert replica.command("DBSIZE") == 64
    assert accepted(cache, signed) == []
    assert accepted(RedisReplayCache(switch), signed) == []


def test_process_that_comes_first_after_the_failover_and_is_new_notices(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    primary, replica = redis_pair
    cache = prepared(switch)
    replica.catch_up(primary)
    replica.fall_behind(primary)
    signed = accept(cache)
    primary.kill()
    replica.promote()
    assert accepted(RedisReplayCache(Switch(clients[1]), leeway=LEEWAY), signed) == []


def test_new_process_keeps_the_leeway_after_a_failover(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    primary, replica = redis_pair
    prepared(switch)
    replica.catch_up(primary)
    primary.kill()
    replica.promote()
    new = RedisReplayCache(Switch(clients[1]), leeway=LEEWAY)
    assert "lost its memory" in refusal(new, 1, time.time() + LEEWAY - 1)
    assert add(new, 2, time.time() + LEEWAY + 1)


def test_replica_that_never_had_the_cache_is_noticed(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    primary, replica = redis_pair
    replica.fall_behind(primary)
    cache = prepared(switch)
    signed = accept(cache)
    primary.kill()
    replica.promote()
    switch.client = clients[1]
    assert accepted(cache, signed) == []


def test_first_primary_that_comes_back_without_the_seconds_writes_is_noticed(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    # It was never restarted and has its own birth record: only that it was promoted anew shows.
    first, second = redis_pair
    prepared(switch)
    second.catch_up(first)
    second.promote()
    first.command("CONFIG", "SET", "masterauth", "not the password")
    first.command("REPLICAOF", "127.0.0.1", str(second.port))
    cache = RedisReplayCache(Switch(clients[1]), leeway=LEEWAY)
    cache.prepare()
    signed = time.time() + LEEWAY + 1
    assert add(cache, 1, signed)
    second.kill()
    first.promote()
    new = RedisReplayCache(switch, leeway=LEEWAY)
    refusal(new, 1, time.time())
    # Too far ahead to be refused for a birth just now: it is, if the birth of the second was never learnt.
    assert "lost its memory" in refusal(new, 1, time.time() + LEEWAY - 1)


def test_primary_that_was_cut_off_is_noticed_by_who_saw_the_other_one(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    # The first went on as if nothing had happened, so nothing on it shows; but this process knows a later birth.
    first, second = redis_pair
    cache = prepared(switch)
    second.catch_up(first)
    second.fall_behind(first)
    second.promote()
    switch.client = clients[1]
    refusal(cache, 1, time.time())
    signed = time.time() + LEEWAY + 1
    assert add(cache, 2, signed)
    second.kill()
    switch.client = clients[0]
    assert "lost its memory" in refusal(cache, 2, time.time())


def test_planned_failover_accepts_what_is_signed_after_the_leeway(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    primary, replica = redis_pair
    cache = prepared(switch)
    signed = accept(cache)
    replica.catch_up(primary)
    primary.kill()
    replica.promote()
    switch.client = clients[1]
    assert accepted(cache, signed) == []
    assert add(cache, 1000, time.time() + LEEWAY + 1)


def test_replica_that_takes_writes_is_not_taken_for_its_primary(
    redis_pair: Pair, clients: tuple[redis.Redis, redis.Redis], switch: Switch
) -> None:
    # It has the replication id of its primary, but not the run id.
    primary, replica = redis_pair
    cache = prepared(switch)
    replica.catch_up(primary)
    replica.command("CONFIG", "SET", "replica-read-only", "no")
    replica.fall_behind(primary)
    signed = accept(cache)
    assert accepted(RedisReplayCache(Switch(clients[1])), signed) == []


def test_failover_by_a_sentinel_is_noticed(redis_pair: Pair) -> None:
    primary, replica = redis_pair
    with servers.sentinel(primary) as watcher, Sentinel([("127.0.0.1", watcher.port)], socket_timeout=2) as sentinel:
        servers.until(lambda: sentinel.discover_slaves("stores"), "a sentinel that knows the replica")
        with sentinel.master_for("stores", socket_timeout=2) as client:
            cache = RedisReplayCache(client, leeway=LEEWAY)
            cache.prepare()
            replica.fall_behind(primary)
            signed = accept(cache)
            primary.kill()
            assert accepted(cache, signed) == []
            servers.until(lambda: sentinel.discover_master("stores")[1] == replica.port, "a failover")
            assert accepted(cache, signed) == []
            assert accepted(RedisReplayCache(client, leeway=LEEWAY), signed) == []
            assert add(cache, 1000, time.time() + LEEWAY + 1)
