"""The statements of a replay cache in PostgreSQL; each is atomic by itself. `{s}` is the schema and a dot."""

from __future__ import annotations

from typing import Final

# The server's clock decides, and not `now()`: that is the start of a transaction.
CLOCK: Final = (
    "clock AS MATERIALIZED (SELECT coalesce(%(now)s::double precision,"
    " extract(epoch FROM clock_timestamp())::double precision) AS now)"
)

# Whether what this process knows of the cache still holds. A crash has emptied the row along
# with the ids; the start of the server tells of a copy of the whole server that was put back,
# and the file of the table of a TRUNCATE, or of a table that was restored from a dump.
_HOLDS: Final = (
    "b.started = pg_postmaster_start_time() AND b.filenode = pg_relation_filenode('{s}signedmsg_replay'::regclass)"
)

ADD: Final = f"""WITH {CLOCK}, birth AS MATERIALIZED (
    SELECT c.now, b.born FROM {{s}}signedmsg_replay_birth b, clock c
    WHERE b.birth_id = %(birth)s::uuid AND {_HOLDS}
    AND abs(c.now - %(client_now)s::double precision) <= %(tolerance)s::double precision
    AND c.now >= b.forgot_at - %(tolerance)s::double precision),
added AS (
    INSERT INTO {{s}}signedmsg_replay (key, expires)
    SELECT k.key, b.now + k.keep
    FROM birth b, unnest(%(keys)s::uuid[], %(keeps)s::double precision[], %(ages)s::double precision[])
        AS k(key, keep, age)
    WHERE k.age <= b.now - b.born ORDER BY k.key
    ON CONFLICT (key) DO NOTHING RETURNING key)
SELECT c.now, (SELECT born FROM birth), ARRAY(SELECT key FROM added) FROM clock c"""  # noqa: S608

SEEN: Final = "SELECT key FROM {s}signedmsg_replay WHERE key = ANY(%(keys)s::uuid[])"

BE_BORN: Final = f"""WITH {CLOCK}
INSERT INTO {{s}}signedmsg_replay_birth AS b (birth_id, born, started, filenode, forgot_at)
SELECT %(fresh)s::uuid, c.now, pg_postmaster_start_time(),
    pg_relation_filenode('{{s}}signedmsg_replay'::regclass), '-infinity' FROM clock c
ON CONFLICT (one) DO UPDATE SET birth_id = EXCLUDED.birth_id, born = EXCLUDED.born,
    started = EXCLUDED.started, filenode = EXCLUDED.filenode, forgot_at = EXCLUDED.forgot_at
WHERE NOT ({_HOLDS}) OR b.birth_id = ANY(%(past)s::uuid[])"""  # noqa: S608

BIRTH: Final = f"""WITH {CLOCK}
SELECT b.birth_id, c.now, b.forgot_at,
    (SELECT bool_and(t.relpersistence = 'u') FROM pg_class t
     WHERE t.oid IN ('{{s}}signedmsg_replay'::regclass, '{{s}}signedmsg_replay_birth'::regclass))
FROM {{s}}signedmsg_replay_birth b, clock c WHERE {_HOLDS}"""  # noqa: S608

# What another one removes at the same time is left to it. `forgot_at` is some seconds ahead, so that
# the row, which every add reads, is not written at every turn.
PURGE: Final = f"""WITH {CLOCK}, old AS MATERIALIZED (
    SELECT key FROM {{s}}signedmsg_replay
    WHERE expires > %(after)s::double precision AND expires <= (SELECT now FROM clock)
    AND abs((SELECT now FROM clock) - %(client_now)s::double precision) <= %(tolerance)s::double precision
    ORDER BY expires LIMIT %(limit)s::bigint FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM {{s}}signedmsg_replay r USING old WHERE r.key = old.key RETURNING r.expires),
noted AS (
    UPDATE {{s}}signedmsg_replay_birth b SET forgot_at = c.now + 5 FROM clock c
    WHERE b.forgot_at < c.now AND EXISTS (SELECT 1 FROM gone))
SELECT count(*), max(expires) FROM gone"""  # noqa: S608

PURGE_SHARES: Final = f"""WITH {CLOCK}
DELETE FROM {{s}}signedmsg_replay_share WHERE until < (SELECT now FROM clock) - %(tolerance)s::double precision"""  # noqa: S608

# The lock comes first and in the same message: its holder is never a process that was stopped between
# two. The statement after it sees what the last holder has committed.
RESERVE: Final = f"""SELECT pg_advisory_xact_lock(hashtextextended('signedmsg_replay_share', {{lock}}));
WITH {CLOCK}, used AS (
    SELECT c.now, coalesce(sum(s.ids) FILTER (WHERE s.issuer = ''), 0)::bigint AS ids,
        coalesce(sum(s.ids) FILTER (WHERE s.issuer <> ''), 0)::bigint AS own,
        min(s.until) FILTER (WHERE s.issuer <> '') AS own_until, min(s.until) AS until
    FROM clock c LEFT JOIN {{s}}signedmsg_replay_share s
        ON s.issuer IN ('', %(issuer)s::text) AND s.until > c.now AND s.ids > 0 GROUP BY c.now),
granted AS (
    SELECT greatest(0, least(%(wanted)s::bigint, %(capacity)s::bigint - ids, %(quota)s::bigint - own)) AS ids
    FROM used),
put AS (
    INSERT INTO {{s}}signedmsg_replay_share AS s (issuer, until, ids)
    SELECT i.issuer, ceil((u.now + %(lasts)s::double precision) / 64) * 64, g.ids
    FROM used u, granted g, (VALUES (''), (%(issuer)s::text)) i(issuer) WHERE g.ids > 0
    ON CONFLICT (issuer, until) DO UPDATE SET ids = s.ids + EXCLUDED.ids)
SELECT g.ids, u.own >= %(quota)s::bigint, coalesce(u.own_until, u.until, u.now) - u.now
FROM used u, granted g"""  # noqa: S608
