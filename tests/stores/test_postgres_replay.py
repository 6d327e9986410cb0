"""What is particular to the replay cache in PostgreSQL: clocks, quotas that are reserved, cleaning, arguments."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
from psycopg_pool import AsyncConnectionPool

from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores.postgres import AsyncPostgresReplayCache, PostgresReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, add, key, later
from tests.stores.postgres_tables import execute

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

pytestmark = pytest.mark.real_server

OTHER = "https://other.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache(postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock) -> PostgresReplayCache:
    made = PostgresReplayCache(postgres_pool, schema=postgres_schema, clock=clock, _server_clock=clock)
    made.prepare()
    return made


def count(dsn: str, table: str) -> object:
    return execute(dsn, f"SELECT count(*) FROM {table}")[0][0]


def test_token_signed_after_prepare_is_accepted_on_real_clocks(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema)
    cache.prepare()
    assert add(cache, 1, time.time())


def test_token_signed_before_the_birth_is_refused_on_real_clocks(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    signed = time.time() - 0.001
    with pytest.raises(StoreError, match="lost its memory"):
        add(PostgresReplayCache(postgres_pool, schema=postgres_schema), 1, signed)


def test_dangerous_option_accepts_what_was_signed_before_the_birth(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, dangerously_accept_earlier=True)
    assert add(cache, 1, time.time() - 1000)


@pytest.mark.parametrize("apart", [-61.0, 61.0])
def test_server_whose_clock_is_apart_is_refused(
    postgres_pool: ConnectionPool, postgres_schema: str, apart: float
) -> None:
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, clock=lambda: time.time() + apart)
    with pytest.raises(StoreError, match=r"are 6[01] s apart"):
        add(cache, 1, time.time() + 1000)


def test_clocks_that_come_apart_later_are_refused_and_record_nothing(
    postgres_pool: ConnectionPool, postgres_schema: str, postgres_dsn: str, clock: ManualClock
) -> None:
    server_clock = ManualClock()
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, clock=clock, _server_clock=server_clock)
    cache.prepare()
    server_clock.advance(62)
    with pytest.raises(StoreError, match="apart"):
        add(cache, 1, later(clock))
    server_clock.set(clock())
    assert add(cache, 1, later(clock))


@pytest.mark.parametrize("skew", [-50.0, 50.0])
def test_birth_is_measured_by_ages_where_the_clocks_differ(
    postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock, skew: float
) -> None:
    cache = PostgresReplayCache(
        postgres_pool, schema=postgres_schema, clock=clock, _server_clock=lambda: clock() + skew
    )
    before = clock() - 1
    cache.prepare()
    with pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, before)
    assert add(cache, 1, later(clock))


def test_issuers_reserve_in_blocks_and_never_exceed_their_quota(
    postgres_pool: ConnectionPool, postgres_schema: str, postgres_dsn: str
) -> None:
    made = [
        PostgresReplayCache(postgres_pool, schema=postgres_schema, capacity=6000, quota=3000, timeout=30.0)
        for _ in range(4)
    ]
    for cache in made:
        cache.prepare()
    refused: list[int] = []

    def fill(cache: PostgresReplayCache, first: int) -> None:
        for number in range(first, first + 1000):
            try:
                add(cache, number, time.time() + 10)
            except QuotaError:
                refused.append(number)
                return

    threads = [threading.Thread(target=fill, args=(cache, 1000 * place)) for place, cache in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorded = count(postgres_dsn, f"{postgres_schema}.signedmsg_replay")
    assert len(refused) >= 1
    assert isinstance(recorded, int)
    # Blocks are of two here, so that four processes hold back eight at most.
    assert 2990 <= recorded <= 3000
    assert add(made[0], 9999, time.time() + 10, issuer=OTHER)


def test_two_that_reserve_at_once_do_not_both_get_the_last_of_a_quota(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    caches = [
        PostgresReplayCache(postgres_pool, schema=postgres_schema, capacity=1000, quota=1, timeout=30.0)
        for _ in range(8)
    ]
    start = threading.Barrier(len(caches))
    new: list[tuple[str, int]] = []

    def reserve(cache: PostgresReplayCache, number: int) -> None:
        cache.prepare()
        for place in range(40):
            start.wait()
            with suppress(QuotaError):
                add(cache, 100 * place + number, time.time() + 10, issuer=f"https://{place}.example")
                new.append((f"https://{place}.example", number))

    threads = [threading.Thread(target=reserve, args=(cache, number)) for number, cache in enumerate(caches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(new) == len({issuer for issuer, _ in new}) == 40


def test_replays_use_up_no_quota(postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock) -> None:
    cache = PostgresReplayCache(
        postgres_pool, schema=postgres_schema, capacity=4, quota=2, clock=clock, _server_clock=clock
    )
    cache.prepare()
    assert [add(cache, 1, later(clock)) for _ in range(5)] == [True, False, False, False, False]
    assert add(cache, 2, later(clock))
    with pytest.raises(QuotaError) as refusal:
        add(cache, 3, later(clock))
    assert 1 <= refusal.value.retry_after <= 2 * KEEP + 128


def test_ids_that_are_over_are_removed_and_others_stay(
    cache: PostgresReplayCache, postgres_dsn: str, postgres_schema: str, clock: ManualClock
) -> None:
    for number in range(600):
        add(cache, number, later(clock))
    # 256 adds, each removing up to twice as many as came: of 600 seconds 300 are over.
    left = count(postgres_dsn, f"{postgres_schema}.signedmsg_replay")
    assert isinstance(left, int)
    assert KEEP <= left <= KEEP + 256
    assert [add(cache, number, clock()) for number in range(600 - int(KEEP) + 1, 600)] == [False] * (int(KEEP) - 1)


@pytest.mark.timeout(20)
def test_cleaning_does_not_wait_for_whoever_holds_a_row(
    postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock
) -> None:
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, timeout=60.0, clock=clock, _server_clock=clock)
    for number in range(255):
        add(cache, number, later(clock))
    clock.advance(2 * KEEP)
    with postgres_pool.connection() as connection:
        connection.execute(f"SELECT FROM {postgres_schema}.signedmsg_replay FOR UPDATE".encode())
        assert add(cache, 999, later(clock))


def test_expiry_goes_on_while_a_backup_is_being_taken(
    cache: PostgresReplayCache, postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock
) -> None:
    with postgres_pool.connection() as backup:
        backup.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        backup.execute(f"SELECT count(*) FROM {postgres_schema}.signedmsg_replay".encode())
        assert all(add(cache, number, later(clock, 2.0)) for number in range(600))


def test_moment_of_removal_is_kept_so_that_a_clock_set_back_is_noticed(
    cache: PostgresReplayCache, clock: ManualClock
) -> None:
    signed = clock()
    for number in range(600):
        add(cache, number, later(clock))
    clock.set(signed + 1)
    with pytest.raises(StoreError, match=r"clock is .* behind the moment"):
        add(cache, 0, signed + 1)


def test_serialisable_connections_are_no_hindrance(postgres_dsn: str, postgres_schema: str) -> None:
    async def main() -> int:
        options = {"options": "-c default_transaction_isolation=serializable"}
        async with AsyncConnectionPool(postgres_dsn, kwargs=options, min_size=4, max_size=4, open=False) as pool:
            caches = [AsyncPostgresReplayCache(pool, schema=postgres_schema, timeout=30.0) for _ in range(4)]
            adds = [
                cache.add(key(number), KEEP, issuer=ISSUER, issued_at=2e10) for number in range(20) for cache in caches
            ]
            return (await asyncio.gather(*adds)).count(True)

    assert asyncio.run(main()) == 20


def test_autocommit_of_the_applications_connections_stays_as_it_was(
    cache: PostgresReplayCache, postgres_pool: ConnectionPool, clock: ManualClock
) -> None:
    add(cache, 1, later(clock))
    with postgres_pool.connection() as connection:
        assert connection.autocommit is False


def test_caller_that_is_cancelled_takes_nobody_with_it(postgres_dsn: str, postgres_schema: str) -> None:
    async def main() -> list[bool | BaseException]:
        async with AsyncConnectionPool(postgres_dsn, min_size=1, max_size=1, open=False) as pool:
            cache = AsyncPostgresReplayCache(pool, schema=postgres_schema)
            tasks = [
                asyncio.create_task(cache.add(key(number), KEEP, issuer=ISSUER, issued_at=2e10)) for number in range(20)
            ]
            await asyncio.sleep(0)
            tasks[0].cancel()
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    answers = asyncio.run(main())
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 19


def test_task_that_serves_a_batch_leaves_no_caller_waiting_when_it_is_cancelled(
    postgres_dsn: str, postgres_schema: str
) -> None:
    async def main() -> set[type]:
        async with AsyncConnectionPool(postgres_dsn, min_size=1, max_size=1, open=False) as pool:
            cache = AsyncPostgresReplayCache(pool, schema=postgres_schema)
            before = asyncio.all_tasks()
            adds = asyncio.gather(
                *(cache.add(key(number), KEEP, issuer=ISSUER, issued_at=2e10) for number in range(20)),
                return_exceptions=True,
            )
            async with pool.connection():
                for _ in range(3):  # to where the batch waits for the connection that is held here
                    await asyncio.sleep(0)
                (serving,) = (each for each in asyncio.all_tasks() - before if "_work" in repr(each))
                serving.cancel()
                answers = await adds
            assert await cache.add(key(99), KEEP, issuer=ISSUER, issued_at=2e10)
            return {type(answer) for answer in answers}

    assert asyncio.run(main()) == {StoreError}


def test_trio_is_refused(postgres_dsn: str, postgres_schema: str) -> None:
    async def make() -> AsyncPostgresReplayCache:
        return AsyncPostgresReplayCache(AsyncConnectionPool(postgres_dsn, open=False), schema=postgres_schema)

    cache = asyncio.run(make())

    async def use() -> None:
        await cache.add(key(1), KEEP, issuer=ISSUER, issued_at=2e10)

    with pytest.raises(StoreError, match="asyncio only"):
        trio.run(use)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"schema": 'x"; DROP'}, ValueError, "schema"),
        ({"schema": 7}, TypeError, "schema"),
        ({"capacity": 0}, ValueError, "capacity"),
        ({"quota": "9"}, TypeError, "quota"),
        ({"leeway": -1.0}, ValueError, "leeway"),
        ({"timeout": 0.0}, ValueError, "timeout"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
    ],
)
def test_wrong_option_is_refused_when_the_cache_is_built(
    postgres_pool: ConnectionPool, options: dict[str, object], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        PostgresReplayCache(postgres_pool, **options)  # type: ignore[arg-type]


def test_pool_of_the_other_kind_is_refused(postgres_pool: ConnectionPool) -> None:
    with pytest.raises(TypeError, match="AsyncConnectionPool"):
        AsyncPostgresReplayCache(postgres_pool)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ConnectionPool"):
        PostgresReplayCache("host=db.example")  # type: ignore[arg-type]


@pytest.mark.parametrize(("length", "keep"), [(15, KEEP), (17, KEEP), (16, 0.0), (16, float("nan"))])
def test_wrong_id_or_keep_is_an_error_of_the_caller(cache: PostgresReplayCache, length: int, keep: float) -> None:
    with pytest.raises(ValueError, match=r"key|keep"):
        cache.add(bytes(length), keep, issuer=ISSUER, issued_at=2e10)


def test_call_that_was_long_under_way_does_not_make_the_cache_look_older(
    postgres_pool: ConnectionPool, postgres_schema: str, clock: ManualClock
) -> None:
    delays = [0.0]

    def server_clock() -> float:
        # As late as the statement is run, after the token's age was measured.
        clock.advance(delays[0])
        return clock()

    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, clock=clock, _server_clock=server_clock)
    signed_before = clock() - 3
    cache.prepare()
    delays[0] = 5.0
    with pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, signed_before)
