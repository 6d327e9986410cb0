"""Inboxes in Redis, for `lease` mode: which messages were processed, and who processes one now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from signedmsg.stores._redis_client import check_async, check_blocking, run, run_async
from signedmsg.stores._redis_inbox_rows import InboxRows
from signedmsg.stores._redis_replay import SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Arrival, Claim, Settled
    from signedmsg.stores._redis_client import AsyncRedisClient, RedisClient


class RedisInbox:
    """Remembers which messages were processed in Redis 6.2 or later, or Valkey; for `lease` mode.

    It is not `durable`, and takes no messages into a queue: Redis answers before a write
    has reached a disk or a replica, so a crash or a failover may take the last
    second with it. What that means: a message whose row is lost runs again when its *sender*
    tries again. A captured request still does nothing, since the replay cache beside
    it notices such a loss. An inbox that must not forget is one in PostgreSQL or SQLite.

    Rows of messages that are done or rejected go by themselves after their time; those that
    nobody finished, a day after it. A server that may evict keys is refused. Each
    method is one atomic script, on the server's clock. Safe for any number of threads.

    Args:
        client: a blocking client; building the inbox asks it nothing. Set its timeouts.
        name: which inbox: 1 to 128 visible ASCII characters.
        prefix: what all keys begin with.
        retention: seconds after its time within which a message is taken; longer than senders retry.
        quota: how many messages of one issuer to keep, at least 1024; about 600 bytes each.
        dangerously_skip_eviction_check: do not ask for the `maxmemory-policy`, where a server
            hides it. An evicted row is a message that may run again.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = False
    transactional: bool = False
    queues: bool = False

    def __init__(
        self,
        client: RedisClient,
        name: str = "default",
        *,
        prefix: str = "signedmsg",
        retention: float = 7 * 86400.0,
        quota: int = 1_000_000,
        dangerously_skip_eviction_check: bool = False,
        _server_clock: Callable[[], float] | None = None,
        _shards: int = SHARDS,
    ) -> None:
        self._client = check_blocking(client)
        self._rows = InboxRows(
            name,
            prefix=prefix,
            retention=retention,
            quota=quota,
            checks_eviction=not dangerously_skip_eviction_check,
            server_clock=_server_clock,
            shards=_shards,
        )

    @property
    def name(self) -> str:
        """Which inbox this is."""
        return self._rows.name

    @property
    def retention(self) -> float:
        """Seconds after its time within which a message is taken."""
        return self._rows.retention

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """Claim the message for `lease` seconds, or say why it is not to be run now: see `Inbox.begin`."""
        return self._rows.begun(arrival, run(self._client, self._rows.begin(arrival, lease)))

    def commit(self, claim: Claim, status: int) -> None:
        """Mark the message done: see `Inbox.commit`."""
        self._rows.finished(claim, run(self._client, self._rows.finish(claim, "done", str(status))))

    def release(self, claim: Claim, delay: float = 0.0) -> None:  # noqa: ARG002 - nothing is queued here
        """Give the message back: see `Inbox.release`. There is no queue, so `delay` means nothing."""
        run(self._client, self._rows.finish(claim, "absent"))

    def reject(self, claim: Claim, reason: str) -> None:
        """Mark the message rejected for good: see `Inbox.reject`."""
        self._rows.finished(claim, run(self._client, self._rows.finish(claim, "rejected", reason)))

    def renew(self, claim: Claim, lease: float) -> None:
        """Let the claim last `lease` seconds from now: see `Inbox.renew`."""
        self._rows.finished(claim, run(self._client, self._rows.finish(claim, "running", lease=lease)))

    def forget(self, issuer: str, message_id: str) -> bool:
        """Remove what is known of a message that is done or rejected: see `Inbox.forget`."""
        return run(self._client, self._rows.forget(issuer, message_id)) == 1

    def __repr__(self) -> str:
        return f"<RedisInbox {self.name!r}>"


class AsyncRedisInbox:
    """`RedisInbox` for asyncio, over an asyncio client; those of Redis do not work on trio."""

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = False
    transactional: bool = False
    queues: bool = False

    def __init__(
        self,
        client: AsyncRedisClient,
        name: str = "default",
        *,
        prefix: str = "signedmsg",
        retention: float = 7 * 86400.0,
        quota: int = 1_000_000,
        dangerously_skip_eviction_check: bool = False,
        _server_clock: Callable[[], float] | None = None,
        _shards: int = SHARDS,
    ) -> None:
        self._client = check_async(client)
        self._rows = InboxRows(
            name,
            prefix=prefix,
            retention=retention,
            quota=quota,
            checks_eviction=not dangerously_skip_eviction_check,
            server_clock=_server_clock,
            shards=_shards,
        )

    @property
    def name(self) -> str:
        """Which inbox this is."""
        return self._rows.name

    @property
    def retention(self) -> float:
        """Seconds after its time within which a message is taken."""
        return self._rows.retention

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """See `RedisInbox.begin`."""
        return self._rows.begun(arrival, await run_async(self._client, self._rows.begin(arrival, lease)))

    async def commit(self, claim: Claim, status: int) -> None:
        """See `RedisInbox.commit`."""
        self._rows.finished(claim, await run_async(self._client, self._rows.finish(claim, "done", str(status))))

    async def release(self, claim: Claim, delay: float = 0.0) -> None:  # noqa: ARG002 - nothing is queued here
        """See `RedisInbox.release`."""
        await run_async(self._client, self._rows.finish(claim, "absent"))

    async def reject(self, claim: Claim, reason: str) -> None:
        """See `RedisInbox.reject`."""
        self._rows.finished(claim, await run_async(self._client, self._rows.finish(claim, "rejected", reason)))

    async def renew(self, claim: Claim, lease: float) -> None:
        """See `RedisInbox.renew`."""
        self._rows.finished(claim, await run_async(self._client, self._rows.finish(claim, "running", lease=lease)))

    async def forget(self, issuer: str, message_id: str) -> bool:
        """See `RedisInbox.forget`."""
        return await run_async(self._client, self._rows.forget(issuer, message_id)) == 1

    def __repr__(self) -> str:
        return f"<AsyncRedisInbox {self.name!r}>"
