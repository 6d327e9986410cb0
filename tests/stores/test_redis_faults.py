"""A Redis that hangs, dies or loses a connection makes the stores unavailable, until it is back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from signedmsg._core.inbox import Claim, Done
from signedmsg.errors import LeaseLostError, StoreError
from signedmsg.stores._redis_client import RIGHTS
from signedmsg.stores.redis import AsyncRedisInbox, AsyncRedisReplayCache, RedisInbox, RedisReplayCache
from tests.servers.cut import relay
from tests.stores.helpers import ISSUER, KEEP, add, key
from tests.stores.redis_arrivals import LEASE, arrival, claimed
from tests.stores.redis_clients import connect, connect_async

if TYPE_CHECKING:
    from collections.abc import Generator

    import redis

    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.real_server

ONCE = Retry(NoBackoff(), 0)
TWICE = Retry(NoBackoff(), 1)
FAR = 2e10


@pytest.fixture
def client(redis_server: Valkey) -> Generator[redis.Redis]:
    with connect(redis_server.url, socket_timeout=0.2, retry=ONCE) as client:
        yield client


@pytest.fixture
def cache(client: redis.Redis) -> RedisReplayCache:
    cache = RedisReplayCache(client)
    cache.prepare()
    return cache


def test_paused_server_is_unavailable_within_the_clients_time(cache: RedisReplayCache, redis_server: Valkey) -> None:
    redis_server.pause()
    started = time.monotonic()
    with pytest.raises(StoreError, match="Timeout"):
        add(cache, 1, FAR)
    assert time.monotonic() - started < 2


def test_server_that_goes_on_after_a_pause_needs_no_restart(cache: RedisReplayCache, redis_server: Valkey) -> None:
    redis_server.pause()
    with pytest.raises(StoreError):
        add(cache, 1, FAR)
    redis_server.resume()
    assert add(cache, 2, FAR)


def test_token_whose_add_timed_out_is_not_accepted_later(cache: RedisReplayCache, redis_server: Valkey) -> None:
    # The server has the request in its buffer, and runs it when it goes on.
    redis_server.pause()
    with pytest.raises(StoreError):
        add(cache, 1, FAR)
    redis_server.resume()
    assert add(cache, 1, FAR) is False


def test_killed_server_is_unavailable(cache: RedisReplayCache, redis_server: Valkey) -> None:
    redis_server.kill()
    with pytest.raises(StoreError, match="ConnectionError"):
        add(cache, 1, FAR)


def test_server_that_was_restarted_needs_no_restart_here(cache: RedisReplayCache, redis_server: Valkey) -> None:
    redis_server.kill()
    with pytest.raises(StoreError):
        add(cache, 1, FAR)
    redis_server.start()
    assert add(cache, 1, FAR)


def test_building_over_a_dead_server_is_no_error_and_using_it_is(redis_server: Valkey, client: redis.Redis) -> None:
    redis_server.kill()
    cache = RedisReplayCache(client)
    with pytest.raises(StoreError):
        cache.prepare()
    redis_server.start()
    assert add(cache, 1, FAR)


def test_script_that_the_server_forgot_is_sent_again(cache: RedisReplayCache, redis_server: Valkey) -> None:
    redis_server.command("SCRIPT", "FLUSH")
    assert add(cache, 1, FAR)


def test_client_that_sends_a_cut_add_again_gets_the_first_answer(redis_server: Valkey) -> None:
    with relay(redis_server.port) as cut, connect(f"redis://127.0.0.1:{cut.port}", retry=TWICE) as client:
        cache = RedisReplayCache(client)
        cache.prepare()
        cut.cut_after = key(1)
        assert add(cache, 1, FAR)
        assert cut.cuts == 1
        assert add(cache, 1, FAR) is False


def test_add_that_was_cut_and_not_sent_again_is_unavailable_and_recorded(redis_server: Valkey) -> None:
    with relay(redis_server.port) as cut, connect(f"redis://127.0.0.1:{cut.port}", retry=ONCE) as client:
        cache = RedisReplayCache(client)
        cache.prepare()
        cut.cut_after = key(1)
        with pytest.raises(StoreError):
            add(cache, 1, FAR)
        assert add(cache, 1, FAR) is False


def test_password_is_in_no_error(redis_server: Valkey) -> None:
    redis_server.command("CONFIG", "SET", "requirepass", "right")
    with connect(f"redis://:hunter2@127.0.0.1:{redis_server.port}", retry=ONCE) as client:
        with pytest.raises(StoreError, match="invalid username-password") as caught:
            RedisReplayCache(client).prepare()
        assert "hunter2" not in repr(caught.value)


def test_user_who_may_not_ask_who_the_server_is_is_told_what_is_missing(redis_server: Valkey) -> None:
    redis_server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
    with connect(f"redis://app:secret@127.0.0.1:{redis_server.port}", retry=ONCE) as client:
        with pytest.raises(StoreError) as caught:
            RedisReplayCache(client).prepare()
        assert "+info" in str(caught.value.hint)


def test_user_with_the_documented_rights_can_use_both_stores(redis_server: Valkey) -> None:
    redis_server.command("ACL", "SETUSER", "app", "on", ">secret", "~signedmsg:*", *RIGHTS.split())
    with connect(f"redis://app:secret@127.0.0.1:{redis_server.port}", retry=ONCE) as client:
        assert add(RedisReplayCache(client), 1, FAR)
        inbox = RedisInbox(client)
        inbox.commit(claimed(inbox.begin(arrival(1), LEASE)), 200)
        assert inbox.begin(arrival(1), LEASE) == Done(200)


def test_async_cache_is_unavailable_while_the_server_is_paused_and_then_goes_on(redis_server: Valkey) -> None:
    async def main() -> tuple[list[object], bool]:
        client = connect_async(redis_server.url, socket_timeout=0.2, retry=None, single_connection_client=False)
        cache = AsyncRedisReplayCache(client)
        await cache.prepare()
        redis_server.pause()
        adds = (cache.add(key(number), KEEP, issuer=ISSUER, issued_at=FAR) for number in range(10))
        refused = await asyncio.gather(*adds, return_exceptions=True)
        redis_server.resume()
        accepted = await cache.add(key(100), KEEP, issuer=ISSUER, issued_at=FAR)
        await client.aclose()
        return refused, accepted

    refused, accepted = asyncio.run(main())
    assert [type(each) for each in refused] == [StoreError] * 10
    assert accepted


def test_inbox_of_a_dead_server_is_unavailable_at_every_step(client: redis.Redis, redis_server: Valkey) -> None:
    inbox = RedisInbox(client)
    claim = claimed(inbox.begin(arrival(1), LEASE))
    redis_server.kill()
    steps = [
        lambda: inbox.begin(arrival(2), LEASE),
        lambda: inbox.commit(claim, 200),
        lambda: inbox.release(claim),
        lambda: inbox.reject(claim, "no"),
        lambda: inbox.renew(claim, LEASE),
        lambda: inbox.forget(*arrival(1)[:2]),
    ]
    for step in steps:
        with pytest.raises(StoreError):
            step()


def test_inbox_goes_on_after_a_restart_and_the_claim_is_gone(client: redis.Redis, redis_server: Valkey) -> None:
    inbox = RedisInbox(client)
    claim = claimed(inbox.begin(arrival(1), LEASE))
    redis_server.restart()
    with pytest.raises(LeaseLostError):
        inbox.commit(claim, 200)
    assert isinstance(inbox.begin(arrival(1), LEASE), Claim)


def test_fence_grows_over_a_loss(client: redis.Redis, redis_server: Valkey) -> None:
    # Or else who held the message before the loss could finish it for who holds it now.
    inbox = RedisInbox(client)
    old = claimed(inbox.begin(arrival(1), LEASE))
    redis_server.command("FLUSHALL")
    new = claimed(inbox.begin(arrival(1), LEASE))
    assert new.fence > old.fence
    with pytest.raises(LeaseLostError):
        inbox.commit(old, 200)


def test_begin_that_was_cut_and_sent_again_has_the_claim(redis_server: Valkey) -> None:
    with relay(redis_server.port) as cut, connect(f"redis://127.0.0.1:{cut.port}", retry=TWICE) as client:
        inbox = RedisInbox(client)
        inbox.begin(arrival(1), LEASE)
        cut.cut_after = arrival(2).message_id.encode()
        claim = claimed(inbox.begin(arrival(2), LEASE))
        assert (claim.attempt, cut.cuts) == (1, 1)


def test_commit_that_was_cut_and_sent_again_is_a_commit(redis_server: Valkey) -> None:
    with relay(redis_server.port) as cut, connect(f"redis://127.0.0.1:{cut.port}", retry=TWICE) as client:
        inbox = RedisInbox(client)
        claim = claimed(inbox.begin(arrival(1), LEASE))
        inbox.commit(claimed(inbox.begin(arrival(2), LEASE)), 200)
        cut.cut_after = b"done"
        inbox.commit(claim, 204)
        assert cut.cuts == 1
        assert inbox.begin(arrival(1), LEASE) == Done(204)


def test_inbox_on_a_server_that_may_evict_is_unavailable(client: redis.Redis, redis_server: Valkey) -> None:
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    with pytest.raises(StoreError, match="noeviction"):
        RedisInbox(client).begin(arrival(1), LEASE)
    assert RedisInbox(client, dangerously_skip_eviction_check=True).begin(arrival(1), LEASE)


def test_async_inbox_of_a_dead_server_is_unavailable(redis_server: Valkey) -> None:
    redis_server.kill()

    async def main() -> None:
        client = connect_async(redis_server.url)
        with pytest.raises(StoreError):
            await AsyncRedisInbox(client).begin(arrival(1), LEASE)
        await client.aclose()

    asyncio.run(main())
