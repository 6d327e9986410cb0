"""How much room a row of each inbox takes, on the real servers."""

from __future__ import annotations

import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
from psycopg_pool import ConnectionPool

from signedmsg import SQLiteInbox
from signedmsg._core.inbox import Arrival, Claim
from signedmsg._ids import new_message_id
from signedmsg.stores.postgres import PostgresInbox
from signedmsg.stores.redis import RedisInbox
from tests.bench.scale_replay import file_size, redis_bytes
from tests.bench.scale_tools import fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg import Inbox
    from tests.servers.postgres import Postgres
    from tests.servers.valkey import Valkey

ISSUER: Final = "https://billing.example"
SIZES: Final = (2000, 4000, 8000)
WEEK: Final = 7 * 86_400.0


def fill(inbox: Inbox, size: Callable[[], int]) -> dict[str, Any]:
    """Begin and commit so many messages, and return the bytes that each takes."""
    points, count = [], 0
    started = time.perf_counter()
    for target in SIZES:
        while count < target:
            now = time.time()
            digest = sha256(str(count).encode()).digest()
            claim = inbox.begin(Arrival(ISSUER, new_message_id(now), digest, now + WEEK, "invoice.paid"), 30.0)
            assert isinstance(claim, Claim)
            inbox.commit(claim, 204)
            count += 1
        points.append((count, size()))
    elapsed = time.perf_counter() - started
    line = fit(points)
    return {
        "points": points,
        "bytes_a_row": line.slope,
        "bytes_empty": line.start,
        "off": line.off,
        "messages_a_second": count / elapsed,
    }


def in_sqlite() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.db"
        with SQLiteInbox(path) as inbox:
            return fill(inbox, lambda: file_size(path))


def in_redis(server: Valkey) -> dict[str, Any]:
    server.command("FLUSHALL", "SYNC")
    with redis.Redis.from_url(server.url) as client:
        before = redis_bytes(client.info("memory"))
        return fill(RedisInbox(client), lambda: redis_bytes(client.info("memory")) - before)


def in_postgres(server: Postgres) -> dict[str, Any]:
    """With a vacuum before each look: a commit leaves the row that it replaces, until the next vacuum."""

    def size() -> int:
        server.rows("VACUUM signedmsg_inbox")
        return int(str(server.rows("SELECT pg_total_relation_size('signedmsg_inbox')")[0][0]))

    with ConnectionPool(server.dsn, min_size=1, max_size=1, open=True) as pool:
        return fill(PostgresInbox(pool), size)


def measure(valkey: Valkey, postgres: Postgres) -> dict[str, Any]:
    """Return what each engine takes; the tables are made already."""
    return {"sqlite": in_sqlite(), "postgres": in_postgres(postgres), "redis": in_redis(valkey)}
