"""A replay cache in PostgreSQL that lost what it knew: no token that was accepted before is accepted again."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from psycopg_pool import ConnectionPool

from signedmsg._core.inbox import Claim, Done
from signedmsg.errors import StoreError
from signedmsg.stores.postgres import PostgresInbox, PostgresReplayCache, init
from tests.servers.postgres import until
from tests.stores.helpers import add, key
from tests.stores.postgres_tables import ISSUER, execute, message
from tests.stores.test_postgres_inbox import handle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.real_server, pytest.mark.slow]


def remake(server: Postgres) -> None:
    server.rows("DROP TABLE signedmsg_replay, signedmsg_replay_birth, signedmsg_replay_share, signedmsg_inbox")
    server.rows("DROP TABLE signedmsg_schema")
    server.rows("DROP SEQUENCE signedmsg_fence")
    init(server.dsn)


LOSSES: dict[str, Callable[[Postgres], object]] = {
    "crashed": lambda server: server.crash(),
    "one backend crashed": lambda server: server.crash_one(),
    "truncated": lambda server: server.rows("TRUNCATE signedmsg_replay"),
    "all of it truncated": lambda server: server.rows("TRUNCATE signedmsg_replay, signedmsg_replay_birth"),
    "made anew": remake,
}


@contextmanager
def cache_on(dsn: str, **options: float) -> Generator[PostgresReplayCache]:
    with ConnectionPool(dsn, min_size=1, max_size=4, open=True) as pool:
        cache = PostgresReplayCache(pool, **options)  # type: ignore[arg-type]
        cache.prepare()
        yield cache


def admits(cache: PostgresReplayCache, number: int, issued_at: float) -> bool:
    """Tell whether the id counts as new; to refuse for doubt is as good as to remember."""
    try:
        return add(cache, number, issued_at)
    except StoreError:
        return False


def recovers(cache: PostgresReplayCache, number: int, seconds: float = 30.0) -> bool:
    """Tell whether a token signed now is accepted before long, by the same cache."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if admits(cache, number, time.time()):
            return True
        number += 1
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_is_noticed_by_every_process(postgres_server: Postgres, loss: str) -> None:
    init(postgres_server.dsn)
    with cache_on(postgres_server.dsn, leeway=0.0) as one, cache_on(postgres_server.dsn, leeway=0.0) as other:
        signed = time.time()
        assert add(one, 1, signed)
        assert not admits(other, 1, signed)
        LOSSES[loss](postgres_server)
        assert [admits(cache, 1, signed) for cache in (one, other, one)] == [False] * 3
        assert recovers(one, 1000)
        assert recovers(other, 2000)
        assert [admits(cache, 1, signed) for cache in (one, other)] == [False] * 2
    with cache_on(postgres_server.dsn) as new:
        assert not admits(new, 1, signed)


def test_process_that_used_what_got_lost_refuses_tokens_of_fast_clocks(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)
    with cache_on(postgres_server.dsn, leeway=30.0) as used:
        ahead = time.time() + 20
        assert add(used, 1, ahead)
        postgres_server.rows("TRUNCATE signedmsg_replay")
        assert not admits(used, 1, ahead)
        with cache_on(postgres_server.dsn, leeway=30.0) as new:
            assert add(new, 2, ahead)


def test_server_that_was_stopped_and_started_counts_as_lost(postgres_server: Postgres) -> None:
    # It keeps the ids; but so would a copy of it that was made before and put back.
    init(postgres_server.dsn)
    with cache_on(postgres_server.dsn, leeway=0.0) as cache:
        signed = time.time()
        add(cache, 1, signed)
        postgres_server.stop()
        postgres_server.start()
        assert recovers(cache, 1000)
        with pytest.raises(StoreError, match="lost its memory"):
            add(cache, 2, signed)


def test_standby_that_was_promoted_knows_that_it_knows_nothing(postgres_pair: tuple[Postgres, Postgres]) -> None:
    primary, standby = postgres_pair
    init(primary.dsn)
    both = f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port} user=postgres dbname=postgres"
    with cache_on(f"{both} target_session_attrs=read-write connect_timeout=5", leeway=0.0) as cache:
        signed = time.time()
        assert add(cache, 1, signed)
        primary.kill()
        standby.promote()
        assert recovers(cache, 1000)
        assert not admits(cache, 1, signed)
    with cache_on(standby.dsn) as new:
        assert not admits(new, 1, signed)


def test_standby_that_is_not_promoted_refuses(postgres_pair: tuple[Postgres, Postgres]) -> None:
    primary, standby = postgres_pair
    init(primary.dsn)
    until(lambda: standby.rows("SELECT version FROM signedmsg_schema"), "a standby that has the tables")
    with (
        ConnectionPool(standby.dsn, min_size=1, max_size=2, open=True) as pool,
        pytest.raises(StoreError, match="PostgreSQL cannot answer"),
    ):
        add(PostgresReplayCache(pool), 1, time.time() + 10)


def test_birth_that_comes_back_is_no_birth_to_go_on_from(postgres_server: Postgres) -> None:
    # As when two servers take turns in taking themselves for the primary.
    init(postgres_server.dsn)
    dsn = postgres_server.dsn
    with cache_on(dsn, leeway=0.0) as cache:
        (first,) = execute(dsn, "SELECT birth_id FROM signedmsg_replay_birth")[0]
        execute(dsn, "UPDATE signedmsg_replay_birth SET birth_id = gen_random_uuid(), born = born + 0.001")
        signed = time.time()
        assert add(cache, 1, signed)
        execute(dsn, "DELETE FROM signedmsg_replay")
        execute(dsn, "UPDATE signedmsg_replay_birth SET birth_id = %s", first)
        assert not admits(cache, 1, signed)


def test_shares_of_what_got_lost_are_not_spent_on(postgres_server: Postgres) -> None:
    init(postgres_server.dsn)
    with ConnectionPool(postgres_server.dsn, min_size=1, max_size=4, open=True) as pool:
        cache = PostgresReplayCache(pool, capacity=8192, quota=4096, leeway=0.0)
        cache.prepare()
        cache.add(key(1), 300.0, issuer=ISSUER, issued_at=time.time())
        postgres_server.crash()
        assert recovers(cache, 1000)
        counted = execute(postgres_server.dsn, "SELECT sum(ids) FROM signedmsg_replay_share WHERE issuer = %s", ISSUER)
        recorded = execute(postgres_server.dsn, "SELECT count(*) FROM signedmsg_replay")
    assert int(str(counted[0][0])) >= int(str(recorded[0][0])) == 1


@pytest.mark.parametrize("table", ["signedmsg_replay", "signedmsg_replay_birth"])
def test_tables_that_would_survive_a_crash_in_part_are_refused(postgres_server: Postgres, table: str) -> None:
    init(postgres_server.dsn)
    postgres_server.rows(f"ALTER TABLE {table} SET LOGGED")
    with (
        ConnectionPool(postgres_server.dsn, min_size=1, max_size=1, open=True) as pool,
        pytest.raises(StoreError, match="must be UNLOGGED"),
    ):
        add(PostgresReplayCache(pool), 1, time.time() + 10)


def test_marks_and_effects_outlive_a_crash_where_commits_wait_for_no_disk(postgres_server: Postgres) -> None:
    # The server answers before it writes, and writes seldom.
    lazy = {"options": "-c synchronous_commit=off"}
    dsn = postgres_server.dsn
    init(dsn)
    for setting in ("wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"):
        postgres_server.rows(f"ALTER SYSTEM SET {setting}")
    postgres_server.rows("CREATE TABLE effects (number int)")
    postgres_server.crash()  # from here on in force
    with ConnectionPool(dsn, kwargs=lazy, min_size=2, max_size=2, open=True) as pool:
        inbox = PostgresInbox(pool)
        claim = inbox.begin(message(1), 300.0)
        assert isinstance(claim, Claim)
        inbox.commit(claim, 200)
        inbox.enqueue(message(2), b"body")
        handle(inbox, lambda transaction: transaction.connection.execute(b"INSERT INTO effects VALUES (3)"), 3)
        postgres_server.crash()
        answers = [inbox.begin(message(number), 300.0) for number in (1, 2, 3)]
    assert answers == [Done(200), Done(202), Done(204)]
    assert execute(dsn, "SELECT number FROM effects") == [(3,)]
    postgres_server.rows("ALTER SYSTEM RESET ALL")
    postgres_server.crash()
