"""The tables in PostgreSQL: made and migrated by an explicit call, and never otherwise.

In one schema, `public` unless another is named:

`signedmsg_schema`
:   one row: `version`, the version of the tables; `forgot`, up to when rows of the inboxes were removed.

`signedmsg_replay`
:   the replay cache: a `key` for each token that was accepted, and `expires`, when it may be
    removed. UNLOGGED: nothing is written to the write-ahead log, and a crash empties it.

`signedmsg_replay_birth`
:   one row on what the cache knows: `birth_id`, drawn anew after each loss; `born`, when; `started` and
    `filenode`, the start of the server and the file of the table that this holds for; and
    `forgot_at`, to when ids may have been removed. UNLOGGED, so that it is lost along with the ids.

`signedmsg_replay_share`
:   how many `ids` of an `issuer` (all together: the empty one) may be recorded `until` then. UNLOGGED.

`signedmsg_inbox`
:   one row a message that is being, or was, processed: its key `inbox`, `issuer`, `message_id`;
    `digest` and `type`; `state`; `fence` and `attempt` of the last claim; `due`, the end of the lease,
    or when a queued message is due, or when a dead one died; `keep_until`; the `status` or the
    `reason` of its outcome; the stored `body` while it is queued.

`signedmsg_fence`
:   the sequence that fences are drawn from: never the same one twice, even after a row was removed.

States: `running` under a lease, `released`, `done`, `rejected`; of queued messages: `waiting`, `working`,
`dead`. All times are Unix seconds on the server's clock: `to_timestamp(due)` shows one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg.errors import StoreError

if TYPE_CHECKING:
    import psycopg

VERSION: Final = 1
INIT: Final = "run `signedmsg store init`"

_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)

# Each migrates the tables from the version before, and says so in `signedmsg_schema`; {s} is the schema and a dot.
# Of a text only the bytes count, so its collation is "C": an upgrade of the system's
# collations would otherwise break the index, and with it the key.
_MIGRATIONS: Final = (
    """CREATE TABLE {s}signedmsg_schema (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL, forgot double precision NOT NULL);
CREATE UNLOGGED TABLE {s}signedmsg_replay (key uuid PRIMARY KEY, expires double precision NOT NULL)
    WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX signedmsg_replay_expires ON {s}signedmsg_replay (expires);
CREATE UNLOGGED TABLE {s}signedmsg_replay_birth (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), birth_id uuid NOT NULL, born double precision NOT NULL,
    started timestamptz NOT NULL, filenode oid NOT NULL, forgot_at double precision NOT NULL);
CREATE UNLOGGED TABLE {s}signedmsg_replay_share (
    issuer text COLLATE "C", until double precision, ids bigint NOT NULL, PRIMARY KEY (issuer, until))
    WITH (fillfactor = 50);
CREATE SEQUENCE {s}signedmsg_fence;
CREATE TABLE {s}signedmsg_inbox (
    inbox text COLLATE "C", issuer text COLLATE "C", message_id text COLLATE "C",
    digest bytea NOT NULL, type text NOT NULL, state text NOT NULL
        CHECK (state IN ('running', 'released', 'done', 'rejected', 'waiting', 'working', 'dead')),
    fence bigint NOT NULL, attempt integer NOT NULL, due double precision NOT NULL,
    keep_until double precision NOT NULL, status smallint, reason text, body bytea,
    PRIMARY KEY (inbox, issuer, message_id))
    WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX signedmsg_inbox_over ON {s}signedmsg_inbox (keep_until)
    WHERE state IN ('released', 'done', 'rejected', 'running');
CREATE INDEX signedmsg_inbox_queue ON {s}signedmsg_inbox (inbox, due) WHERE state IN ('waiting', 'working');
CREATE INDEX signedmsg_inbox_dead ON {s}signedmsg_inbox (inbox, due) WHERE state = 'dead';
INSERT INTO {s}signedmsg_schema (version, forgot) VALUES (1, '-infinity');
""",
)


class PostgresStatus(NamedTuple):
    """What tables a schema has.

    Attributes:
        version: the version of the tables; 0 where there are none.
        newest: the version that this package makes.
        ids: how many token ids the replay cache holds.
        messages: how many messages the inboxes hold, whatever their names.
    """

    version: int
    newest: int
    ids: int
    messages: int


def check_schema(schema: str) -> str:
    """Return what stands before the name of each table, or say what is wrong with the schema's name.

    Raises:
        TypeError, ValueError: it is no name in lower case that needs no quotes.
    """
    if not isinstance(schema, str):
        raise TypeError(f"schema: expected a str, got {type(schema).__name__}")
    if not _SCHEMA.fullmatch(schema):
        raise ValueError("schema: expected 1 to 63 characters of [a-z0-9_], and no digit first")
    return f'"{schema}".'


def ddl(schema: str = "public") -> str:
    """Return the SQL that makes the tables of the newest version, for a migration tool of your own.

    Run it in one transaction. It makes the schema too, unless that is `public`.

    Raises:
        TypeError, ValueError: `schema` is no name in lower case that needs no quotes.
    """
    qualifier = check_schema(schema)
    made = "" if schema == "public" else f"CREATE SCHEMA IF NOT EXISTS {qualifier[:-1]};\n"
    return made + "".join(_MIGRATIONS).format(s=qualifier)


def make(connection: psycopg.Connection[object], schema: str) -> int:
    """Make or migrate the tables in the connection's open transaction; return the version that there was."""
    qualifier = check_schema(schema)
    # Two that start at once would both find no tables.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('signedmsg_schema', 0))")
    if not _rows(connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", schema):
        connection.execute(f"CREATE SCHEMA {qualifier[:-1]}".encode())
    version = version_of(connection, schema)
    if version > VERSION:
        raise other_version(schema, version)
    for migration in _MIGRATIONS[version:]:
        connection.execute(migration.format(s=qualifier).encode())
    return version


def version_of(connection: psycopg.Connection[object], schema: str) -> int:
    """Return the version of the tables; 0 where there are none."""
    table = f"{check_schema(schema)}signedmsg_schema"
    if _rows(connection, "SELECT to_regclass(%s)", table) == [(None,)]:
        return 0
    return int(str(_rows(connection, f"SELECT version FROM {table}")[0][0]))  # noqa: S608


def look(connection: psycopg.Connection[object], schema: str) -> PostgresStatus:
    """Count what the tables hold."""
    version = version_of(connection, schema)
    if not version:
        return PostgresStatus(0, VERSION, 0, 0)
    tables = (f"{check_schema(schema)}signedmsg_{name}" for name in ("replay", "inbox"))
    ids, messages = (int(str(_rows(connection, f"SELECT count(*) FROM {table}")[0][0])) for table in tables)  # noqa: S608
    return PostgresStatus(version, VERSION, ids, messages)


def missing(schema: str) -> StoreError:
    """Return the refusal of a database that has no tables for us."""
    return StoreError(f"the schema {schema!r} of this database has no tables of signedmsg", hint=INIT)


def other_version(schema: str, version: int) -> StoreError:
    """Return the refusal of tables that this version of the package was not written for."""
    text = f"the tables in schema {schema!r} have version {version}; this version of signedmsg knows {VERSION}"
    return StoreError(text, hint=INIT if version < VERSION else "install the newer version of signedmsg here, too")


def _rows(connection: psycopg.Connection[object], query: str, *parameters: object) -> list[tuple[object, ...]]:
    from psycopg.rows import tuple_row

    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()
