"""PostgreSQL that hangs, dies and comes back: a `StoreError` each time, and nobody has to start anything anew."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

import anyio
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from signedmsg._core.inbox import Claim, Done
from signedmsg.errors import StoreError
from signedmsg.stores.postgres import (
    AsyncPostgresInbox,
    AsyncPostgresReplayCache,
    PostgresInbox,
    PostgresReplayCache,
    init,
)
from tests.servers.cut import relay
from tests.stores.helpers import add
from tests.stores.postgres_tables import ISSUER, execute, message
from tests.stores.test_postgres_inbox import handle
from tests.stores.test_postgres_loss import recovers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.real_server, pytest.mark.slow]


@pytest.fixture
def pool(postgres_server: Postgres) -> Generator[ConnectionPool]:
    init(postgres_server.dsn)
    with ConnectionPool(postgres_server.dsn, min_size=4, max_size=4, open=True) as pool:
        pool.wait()
        yield pool


def test_server_that_was_never_there_is_refused_with_where_to_look() -> None:
    with (
        ConnectionPool("host=127.0.0.1 port=1", min_size=0, max_size=1, open=True) as nowhere,
        pytest.raises(StoreError, match="PoolTimeout") as refusal,
    ):
        PostgresReplayCache(nowhere, timeout=0.3).prepare()
    assert "psycopg.pool" in str(refusal.value.hint)


def test_server_that_hangs_is_refused_in_time(postgres_server: Postgres, pool: ConnectionPool) -> None:
    cache = PostgresReplayCache(pool, timeout=0.5)
    cache.prepare()
    postgres_server.pause()
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"did not answer within 0\.5 s"):
        add(cache, 1, time.time())
    assert time.monotonic() - started < 10
    postgres_server.resume()
    assert recovers(cache, 1000)


def test_inbox_on_a_server_that_hangs_is_refused_in_time(postgres_server: Postgres, pool: ConnectionPool) -> None:
    inbox = PostgresInbox(pool, timeout=0.5)
    claim = inbox.begin(message(1), 300.0)
    assert isinstance(claim, Claim)
    postgres_server.pause()
    with pytest.raises(StoreError, match=r"did not answer within 0\.5 s"):
        inbox.commit(claim, 204)
    postgres_server.resume()


def test_transaction_on_a_server_that_hangs_is_left_in_time(postgres_server: Postgres, pool: ConnectionPool) -> None:
    inbox = PostgresInbox(pool, timeout=0.5)
    inbox.depth()
    with pytest.raises(StoreError, match=r"did not answer within 0\.5 s"):
        handle(inbox, lambda transaction: postgres_server.pause())
    postgres_server.resume()


def test_connections_that_a_restart_left_dead_cost_no_refusal(postgres_server: Postgres, pool: ConnectionPool) -> None:
    inbox, cache = PostgresInbox(pool), PostgresReplayCache(pool, dangerously_accept_earlier=True)
    inbox.depth()
    cache.prepare()
    postgres_server.crash()
    assert isinstance(inbox.begin(message(1), 300.0), Claim)
    postgres_server.crash()
    assert add(cache, 1, time.time())


def test_cache_works_again_when_the_server_was_killed_and_started(
    postgres_server: Postgres, pool: ConnectionPool
) -> None:
    cache = PostgresReplayCache(pool, timeout=0.5, leeway=0.0)
    cache.prepare()
    postgres_server.kill()
    with pytest.raises(StoreError):
        add(cache, 1, time.time())
    postgres_server.start()
    assert recovers(cache, 1000)


def test_pool_that_is_used_up_is_an_outage(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)
    with ConnectionPool(postgres_server.dsn, min_size=1, max_size=1, open=True) as pool, pool.connection():
        cache = PostgresReplayCache(pool, timeout=0.1)
        with pytest.raises(StoreError, match="PoolTimeout"):
            add(cache, 1, time.time())


def test_pool_that_is_closed_is_an_outage(postgres_server: Postgres) -> None:
    pool = ConnectionPool(postgres_server.dsn, min_size=1, max_size=1, open=False)
    with pytest.raises(StoreError, match="PoolClosed"):
        add(PostgresReplayCache(pool), 1, time.time())


def test_commit_whose_answer_is_lost_may_or_may_not_have_happened(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)
    with relay(postgres_server.port) as cut:
        dsn = postgres_server.dsn.replace(f"port={postgres_server.port}", f"port={cut.port}")
        with ConnectionPool(dsn, min_size=2, max_size=2, open=True) as pool:
            inbox = PostgresInbox(pool)
            inbox.depth()
            with pytest.raises(StoreError):
                handle(inbox, lambda transaction: setattr(cut, "cut_after", b"COMMIT"))
            assert cut.cuts == 1
            assert inbox.begin(message(1), 300.0) == Done(204)


def test_add_whose_answer_is_lost_is_not_said_to_be_a_replay(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)
    with relay(postgres_server.port) as cut:
        dsn = postgres_server.dsn.replace(f"port={postgres_server.port}", f"port={cut.port}")
        with ConnectionPool(dsn, min_size=2, max_size=2, open=True) as pool:
            cache = PostgresReplayCache(pool)
            cache.prepare()
            add(cache, 1, time.time())
            cut.cut_after = b"signedmsg_replay"
            with pytest.raises(StoreError):
                add(cache, 2, time.time())


async def with_pool(dsn: str, work: Callable[[AsyncConnectionPool], Awaitable[None]]) -> None:
    async with AsyncConnectionPool(dsn, min_size=4, max_size=4, open=False) as pool:
        await pool.wait()
        await work(pool)


async def add_async(cache: AsyncPostgresReplayCache) -> bool:
    return await cache.add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=time.time())


def test_tasks_on_a_server_that_hangs_are_all_answered(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)

    async def work(pool: AsyncConnectionPool) -> None:
        cache = AsyncPostgresReplayCache(pool, timeout=0.5)
        await cache.prepare()
        postgres_server.pause()
        answers = await asyncio.gather(*(add_async(cache) for _ in range(64)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreError}
        postgres_server.resume()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await add_async(cache)
                except StoreError:
                    await asyncio.sleep(0.02)
                else:
                    break

    asyncio.run(with_pool(postgres_server.dsn, work))


def test_async_transaction_of_a_task_that_is_cancelled_is_rolled_back(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)

    async def work(pool: AsyncConnectionPool) -> None:
        inbox = AsyncPostgresInbox(pool)
        begun = asyncio.Event()

        async def handle() -> None:
            async with inbox.transaction() as transaction:
                assert await transaction.begin(message(1)) is None
                begun.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(handle())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await inbox.begin(message(1), 300.0), Claim)

    asyncio.run(with_pool(postgres_server.dsn, work))
    assert execute(postgres_server.dsn, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_recovery_under_load_needs_no_restart(postgres_server: Postgres, pool: ConnectionPool) -> None:
    cache = PostgresReplayCache(pool, timeout=2.0, leeway=0.0)
    cache.prepare()
    unexpected: list[BaseException] = []
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            try:
                cache.add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=time.time())
            except StoreError:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what this test looks for
                unexpected.append(error)
                return

    threads = [threading.Thread(target=go_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        postgres_server.crash()
        assert recovers(cache, 1000)
    stop.set()
    for thread in threads:
        thread.join()
    assert unexpected == []


def test_async_transaction_in_a_scope_that_is_cancelled_is_rolled_back(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)

    async def work(pool: AsyncConnectionPool) -> None:
        inbox = AsyncPostgresInbox(pool)
        for _ in range(8):  # more often than there are connections
            # A scope of anyio cancels each wait within it, the clean-up's too, unless that is shielded.
            with anyio.CancelScope() as scope:
                async with inbox.transaction() as transaction:
                    assert await transaction.begin(message(1)) is None
                    scope.cancel()
                    await anyio.sleep(60)
            assert scope.cancelled_caught
        assert pool.get_stats().get("returns_bad", 0) == 0
        assert isinstance(await inbox.begin(message(1), 300.0), Claim)

    asyncio.run(with_pool(postgres_server.dsn, work))
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    assert execute(postgres_server.dsn, open_ones) == [(0,)]


def test_async_connections_that_a_restart_left_dead_cost_no_refusal(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)

    async def work(pool: AsyncConnectionPool) -> None:
        cache = AsyncPostgresReplayCache(pool, dangerously_accept_earlier=True)
        await cache.prepare()
        postgres_server.crash()
        assert await add_async(cache)
        async with AsyncPostgresInbox(pool).transaction() as transaction:
            assert await transaction.begin(message(1)) is None
            await transaction.finish(204)

    asyncio.run(with_pool(postgres_server.dsn, work))


def test_async_transaction_on_a_server_that_hangs_is_left_in_time(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)

    async def work(pool: AsyncConnectionPool) -> None:
        inbox = AsyncPostgresInbox(pool, timeout=0.5)
        await inbox.depth()

        async def handle_it() -> None:
            async with inbox.transaction() as transaction:
                await transaction.begin(message(1))
                postgres_server.pause()
                await transaction.finish(204)

        with pytest.raises(StoreError, match=r"did not answer within 0\.5 s"):
            await handle_it()
        postgres_server.resume()

    asyncio.run(with_pool(postgres_server.dsn, work))
