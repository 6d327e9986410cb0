"""Clients of Redis for tests: of both libraries, both faces, alone and of a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster
import valkey
import valkey.asyncio
import valkey.asyncio.cluster
import valkey.cluster

from signedmsg.errors import QuotaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg.stores._redis_client import RedisClient

ALONE: dict[str, Callable[..., Any]] = {"redis": redis.Redis.from_url, "valkey": valkey.Valkey.from_url}
ASYNC_ALONE: dict[str, Callable[..., Any]] = {
    "redis": redis.asyncio.Redis.from_url,
    "valkey": valkey.asyncio.Valkey.from_url,
}
CLUSTER: dict[str, Callable[..., Any]] = {
    "redis": redis.cluster.RedisCluster.from_url,
    "valkey": valkey.cluster.ValkeyCluster.from_url,
}
ASYNC_CLUSTER: dict[str, Callable[..., Any]] = {
    "redis": redis.asyncio.cluster.RedisCluster.from_url,
    "valkey": valkey.asyncio.cluster.ValkeyCluster.from_url,
}


def connect(url: str, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(url, **{"socket_timeout": 5} | options)


def connect_async(url: str, **options: Any) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(url, **{"socket_timeout": 5} | options)


def until_refused(step: Callable[[int], object], most: int = 10_000) -> int:
    """Take the step for 0, 1, 2 … and return the first number that was refused for a quota."""
    for number in range(most):
        try:
            step(number)
        except QuotaError:
            return number
    raise AssertionError(f"not refused {most} times")


class Switch:
    """A blocking client that is pointed at another server, as Sentinel's is after a failover."""

    def __init__(self, client: RedisClient) -> None:
        self.client = client

    def execute_command(self, *words: Any, **options: Any) -> Any:
        return self.client.execute_command(*words, **options)

    @property
    def pipeline(self) -> Callable[..., Any]:
        return partial(self.client.pipeline)
