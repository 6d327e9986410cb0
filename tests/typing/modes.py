"""What a handler is given besides the message follows from its router's inbox and mode; checked, never imported."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, assert_type

from signedmsg import AsyncLease, AsyncSQLiteInbox, Lease, MemoryInbox, Message, Router, SQLiteInbox
from signedmsg.stores.redis import RedisInbox

if TYPE_CHECKING:
    from signedmsg.stores._redis_client import RedisClient


def takes_nothing(message: Message[int]) -> None: ...
def takes_a_lease(message: Message[int], lease: Lease) -> None: ...
async def takes_an_async_lease(message: Message[int], lease: AsyncLease) -> None: ...
def takes_a_connection(message: Message[int], connection: sqlite3.Connection) -> None: ...
def takes_too_much(message: Message[int], lease: Lease, more: int) -> None: ...


def without() -> None:
    router = Router()
    assert_type(router, Router[None])
    router.on("a")(takes_nothing)
    router.on("b")(takes_a_lease)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def leases(client: RedisClient) -> None:
    for router in (Router(RedisInbox(client), mode="lease"), Router(MemoryInbox(), mode="lease", lease=5)):
        assert_type(router, Router[Lease])
        router.on("a")(takes_nothing)
        router.on("b")(takes_a_lease)
        router.on("c")(takes_an_async_lease)
        router.on("d")(takes_a_connection)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
        router.on("e")(takes_too_much)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    Router(RedisInbox(client), mode="transaction")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Router(RedisInbox(client))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Router(mode="lease")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def transactions() -> None:
    for router in (
        Router(SQLiteInbox("shop.db"), mode="transaction"),
        Router(AsyncSQLiteInbox("shop.db"), mode="transaction", queued=True),
    ):
        assert_type(router, Router[sqlite3.Connection])
        router.on("a")(takes_a_connection)
        router.on("b", int)(takes_a_connection)
        router.on("c")(takes_nothing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        router.on("d")(takes_a_lease)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        router.on("e", str)(takes_a_connection)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
