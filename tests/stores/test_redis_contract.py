"""The public contracts, held against Redis: both client libraries, both faces, alone and in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from signedmsg.stores.redis import AsyncRedisInbox, AsyncRedisReplayCache, RedisInbox, RedisReplayCache
from signedmsg.testing import AsyncReplayCacheContract, ReplayCacheContract
from signedmsg.testing.inbox import (
    AsyncBoundedInboxContract,
    AsyncInboxContract,
    BoundedInboxContract,
    InboxContract,
)
from tests.stores.redis_clients import ALONE, ASYNC_ALONE, ASYNC_CLUSTER, CLUSTER

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.testing import ManualClock

pytestmark = pytest.mark.real_server


class _Servers:
    """One client a case, of each library, to a server alone or to a cluster."""

    url: str
    library: str

    @pytest.fixture(params=["redis", "valkey"], autouse=True)
    def _library(self, request: pytest.FixtureRequest) -> None:
        self.library = request.param

    @pytest.fixture(autouse=True)
    def _server(self, redis_url: str) -> None:
        self.url = redis_url
        self.blocking, self.suspending = ALONE, ASYNC_ALONE


class _Blocking(_Servers):
    @pytest.fixture(autouse=True)
    def _client(self, _server: None, _library: None) -> Generator[None]:
        self.client = self.blocking[self.library](self.url)
        self.prefix = f"contract-{uuid4().hex}"
        yield
        self.client.close()


class _Suspending(_Servers):
    # Several inboxes of one case share a prefix; each has a client, closed with it.
    @pytest.fixture(autouse=True)
    def _clients(self, _server: None, _library: None) -> None:
        self.prefix = f"contract-{uuid4().hex}"
        self.clients: dict[int, Any] = {}

    def connect(self) -> Any:
        return self.suspending[self.library](self.url)

    def kept(self, store: Any, client: Any) -> Any:
        self.clients[id(store)] = client
        return store

    async def closed(self, store: object) -> None:
        await self.clients.pop(id(store)).aclose()


def in_cluster(kind: type) -> type:
    """Return the same cases for a cluster."""

    class InCluster(kind):  # type: ignore[misc]
        @pytest.fixture(params=["redis", pytest.param("valkey", marks=pytest.mark.slow)], autouse=True)
        def _library(self, request: pytest.FixtureRequest) -> None:
            self.library = request.param

        @pytest.fixture(autouse=True)
        def _server(self, redis_cluster_url: str) -> None:
            self.url = redis_cluster_url
            self.blocking, self.suspending = CLUSTER, ASYNC_CLUSTER

    return InCluster


# One shard, since with few ids and a quota of three nothing could be shared out evenly.
ONE_SHARD: dict[str, Any] = {"_shards": 1}


class TestRedisReplayCache(_Blocking, ReplayCacheContract):
    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> RedisReplayCache:
        cache = RedisReplayCache(
            self.client,
            prefix=self.prefix,
            capacity=capacity,
            quota=quota,
            clock=clock,
            _server_clock=clock,
            **ONE_SHARD,
        )
        cache.prepare()
        return cache


class TestAsyncRedisReplayCache(_Suspending, AsyncReplayCacheContract):
    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> AsyncRedisReplayCache:
        options = {"capacity": capacity, "quota": quota, "clock": clock, "_server_clock": clock} | ONE_SHARD
        with self.blocking[self.library](self.url) as client:
            # This method is no coroutine, so the shard is made by the other face.
            RedisReplayCache(client, prefix=self.prefix, **options).prepare()
        client = self.connect()
        return self.kept(AsyncRedisReplayCache(client, prefix=self.prefix, **options), client)  # type: ignore[no-any-return]

    async def close_cache(self, cache: object) -> None:
        await self.closed(cache)


class TestRedisInbox(_Blocking, InboxContract, BoundedInboxContract):
    def make_inbox(self, *, clock: ManualClock, name: str) -> RedisInbox:
        return RedisInbox(self.client, name, prefix=self.prefix, _server_clock=clock)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> RedisInbox:
        return RedisInbox(self.client, name, prefix=self.prefix, quota=quota, _server_clock=clock, **ONE_SHARD)


class TestAsyncRedisInbox(_Suspending, AsyncInboxContract, AsyncBoundedInboxContract):
    def make_inbox(self, *, clock: ManualClock, name: str) -> AsyncRedisInbox:
        return self._make(name, _server_clock=clock)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> AsyncRedisInbox:
        return self._make(name, quota=quota, _server_clock=clock, **ONE_SHARD)

    def _make(self, name: str, **options: Any) -> AsyncRedisInbox:
        client = self.connect()
        return self.kept(AsyncRedisInbox(client, name, prefix=self.prefix, **options), client)  # type: ignore[no-any-return]

    async def close_inbox(self, inbox: object) -> None:
        await self.closed(inbox)


TestRedisReplayCacheInCluster = in_cluster(TestRedisReplayCache)
TestAsyncRedisReplayCacheInCluster = in_cluster(TestAsyncRedisReplayCache)
TestRedisInboxInCluster = in_cluster(TestRedisInbox)
TestAsyncRedisInboxInCluster = in_cluster(TestAsyncRedisInbox)
