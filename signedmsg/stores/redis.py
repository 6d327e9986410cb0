"""Replay caches and inboxes in Redis or Valkey, for the processes of many hosts.

The client is the application's own, of redis-py or valkey-py: standalone, Sentinel or
Cluster. Set its timeouts (`socket_timeout`, `socket_connect_timeout`): without them a server
that hangs holds each request for as long as it does.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from signedmsg.errors import StoreError
from signedmsg.stores._batches import Batches, Entry
from signedmsg.stores._redis_client import (
    check_async,
    check_blocking,
    is_answer,
    refuses_slots,
    run,
    run_all,
    run_all_async,
    takes_slots,
    unavailable,
)
from signedmsg.stores._redis_inbox import AsyncRedisInbox, RedisInbox
from signedmsg.stores._redis_replay import SHARDS, ReplayShards, check_entry, check_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signedmsg.stores._redis_client import AsyncRedisClient, RedisClient
    from signedmsg.stores._redis_replay import Add

__all__ = ["AsyncRedisInbox", "AsyncRedisReplayCache", "RedisInbox", "RedisReplayCache"]


class RedisReplayCache:
    """Remembers token ids in Redis 6.2 or later, or Valkey; shared by all that use the same server and prefix.

    Each `add` is one atomic script, so exactly one of any number of threads, processes and
    hosts that present the same id gets True. If the client library loses the connection
    and sends an `add` again, the answer is still that of the first time.

    Loss is noticed: after a flush, an eviction, a restart or a failover each process
    refuses, with `StoreError`, tokens that may have been signed before it; honest senders sign
    anew. Where a process had been using what got lost, that includes those signed up to
    `leeway` seconds after. A planned failover, and a slot of a cluster that moves to another
    node, count as losses. What cannot be noticed: while a network is split, two servers
    may both take themselves for the primary, and each accept the same token once; let
    `min-replicas-to-write 1`, or a cluster's node timeout, keep that time short.

    A server that may evict keys is refused; so is one whose clock is more than 60 s from this
    process's. No key has a time to live: of ids that are over, as many stay as were
    alive last, until others take their place. An id counts against `capacity` and `quota`
    until its generation is dropped: up to twice its keep. Both are shared out evenly
    over 64 shards, and ids come evenly to them, so that they are reached a few per cent early.

    Safe for any number of threads, and after a fork as far as the client is.

    Args:
        client: a blocking client. Building the cache asks it nothing: see `prepare`.
        prefix: what all keys begin with. Receivers that share a cache have the same.
        capacity: how many ids to remember at most; about 50 bytes each.
        quota: how many of them one issuer may have, at least 1024; half of `capacity` unless given.
        leeway: by how many seconds a sender's clock may be fast.
        clock: Unix seconds: the receiver's clock, compared with the server's.
        dangerously_accept_earlier: accept tokens signed before the cache was made, or lost.
            Each token that is alive at a loss can then be replayed once after it.
        dangerously_skip_eviction_check: do not ask for the `maxmemory-policy`, where a server
            hides it. An eviction is noticed nevertheless, and counts as a loss each time.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        client: RedisClient,
        *,
        prefix: str = "signedmsg",
        capacity: int = 10_000_000,
        quota: int | None = None,
        leeway: float = 30.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
        dangerously_skip_eviction_check: bool = False,
        _server_clock: Callable[[], float] | None = None,
        _shards: int = SHARDS,
    ) -> None:
        options = check_options(
            prefix,
            capacity,
            quota,
            leeway,
            any_birth=dangerously_accept_earlier,
            checks_eviction=not dangerously_skip_eviction_check,
            clock=clock,
            server_clock=_server_clock,
            shards=_shards,
        )
        self._client = check_blocking(client)
        self._shards = ReplayShards(options)
        self._looking = threading.Lock()

    def prepare(self) -> None:
        """Make the cache where it is missing, and check the server; the first `add` does it otherwise.

        A token that was signed before the cache was made is refused, so a receiver that
        calls this when it starts spares its first sender the second attempt.

        Raises:
            StoreError: the server cannot answer, or may evict keys.
        """
        looks = self._shards.looks()
        self._shards.looked(looks, run_all(self._client, [look.call for look in looks]))

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        entry = check_entry(key, keep, issuer, issued_at)
        if not self._shards.ready:
            self._look_once()
        ask = self._shards.add(entry)
        (answer,) = self._shards.judge(ask, run(self._client, ask.call))
        if not self._shards.ready:
            # The other shards may be lost as well. If this fails, the next add tries again, and says why.
            with suppress(Exception):
                self._look_once()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __repr__(self) -> str:
        return f"<RedisReplayCache {self._shards!r}>"

    def _look_once(self) -> None:
        with self._looking:
            if not self._shards.ready:
                self.prepare()


class _Shards:
    """All shards of one cache, asked together; the question None is whether they could be looked at."""

    def __init__(self, client: AsyncRedisClient, shards: ReplayShards) -> None:
        self._client, self._shards = client, shards
        self._takes_slots = takes_slots(client)

    async def ask(self, questions: Sequence[Entry | None]) -> list[bool | Exception]:
        entries = [question for question in questions if question is not None]
        try:
            if not self._shards.ready or len(entries) < len(questions):
                await self._look()
            answers = await self._add(self._shards.adds(entries)) if entries else []
        except StoreError:
            raise
        except Exception as error:
            raise unavailable(error) from error
        if len(entries) == len(questions):
            return answers
        judged = iter(answers)
        return [True if question is None else next(judged) for question in questions]

    async def afterwards(self) -> None:
        """Let the other shards be born now, too. If that fails, the next add tries again, and says why."""
        if not self._shards.ready:
            with suppress(Exception):
                await self._look()

    async def _add(self, adds: list[Add]) -> list[bool | Exception]:
        """Ask about all in one command, or in one for each where the server will not have that."""
        if len(adds) > 1 and self._takes_slots:
            ask = self._shards.ask(adds)
            (reply,) = await run_all_async(self._client, [ask.call])
            if not is_answer(reply):
                return self._shards.judge(ask, reply)
            # Some may have been recorded before the error came: the same nonces get the same answers,
            # and each of the others gets an answer of its own.
            self._takes_slots = not refuses_slots(reply)
        asks = [self._shards.ask([add]) for add in adds]
        replies = await run_all_async(self._client, [ask.call for ask in asks])
        return [self._shards.judge(ask, reply)[0] for ask, reply in zip(asks, replies, strict=True)]

    async def _look(self) -> None:
        looks = self._shards.looks()
        self._shards.looked(looks, await run_all_async(self._client, [look.call for look in looks]))


class AsyncRedisReplayCache:
    """`RedisReplayCache` for asyncio, over an asyncio client; those of Redis do not work on trio.

    Adds of concurrent tasks go to the server together: in one command, or on a cluster in one
    pipeline. A call that is
    cancelled before its turn did nothing; one that is cancelled later may have recorded
    its id, as if the caller had died after it. Nobody else's call is touched.
    """

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        client: AsyncRedisClient,
        *,
        prefix: str = "signedmsg",
        capacity: int = 10_000_000,
        quota: int | None = None,
        leeway: float = 30.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
        dangerously_skip_eviction_check: bool = False,
        _server_clock: Callable[[], float] | None = None,
        _shards: int = SHARDS,
    ) -> None:
        options = check_options(
            prefix,
            capacity,
            quota,
            leeway,
            any_birth=dangerously_accept_earlier,
            checks_eviction=not dangerously_skip_eviction_check,
            clock=clock,
            server_clock=_server_clock,
            shards=_shards,
        )
        self._shards = ReplayShards(options)
        self._batches: Batches[Entry | None] = Batches(_Shards(check_async(client), self._shards), at_once=128)

    async def prepare(self) -> None:
        """See `RedisReplayCache.prepare`."""
        await self._batches.answer(None)

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        return await self._batches.answer(check_entry(key, keep, issuer, issued_at))

    def __repr__(self) -> str:
        return f"<AsyncRedisReplayCache {self._shards!r}>"
