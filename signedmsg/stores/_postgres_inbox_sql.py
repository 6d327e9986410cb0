"""The statements of an inbox in PostgreSQL; each is atomic by itself. `{s}` is the schema and a dot."""

from __future__ import annotations

from typing import Final

from signedmsg.stores._inbox_limits import ABANDONED
from signedmsg.stores._postgres_replay_sql import CLOCK

# A mark that the server has confirmed must outlive a power cut, whatever is set for the role.
_FLUSHED: Final = (
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, true)"
)
# Only where the statement is a transaction of its own: a handler's locks are its own affair.
_BRIEF: Final = "set_config('lock_timeout', '1000', true)"

CLOCK_FOR_HANDLERS: Final = CLOCK.replace(" AS now)", f" AS now, {_FLUSHED})")
CLOCK_ALONE: Final = CLOCK.replace(" AS now)", f" AS now, {_FLUSHED}, {_BRIEF})")

_KEY: Final = "i.inbox = %(inbox)s::text AND i.issuer = %(issuer)s::text AND i.message_id = %(message_id)s::text"
_ENDED: Final = "i.state IN ('released', 'done', 'rejected')"

# The row of a message that is over counts as absent, but not for that very message: where the
# clock of the server is ahead, that one would run again.
_OVER: Final = (
    f"({_ENDED} AND i.keep_until <= (SELECT now FROM clock)"  # noqa: S608
    " AND %(keep_until)s::double precision > (SELECT now FROM clock))"
)
_FREE: Final = (
    f"({_OVER} OR i.digest = %(digest)s::bytea AND (i.state = 'released'"  # noqa: S608
    " OR i.state = 'running' AND i.due <= (SELECT now FROM clock)))"
)

# The lock is asked for only where the row, as it was a moment ago, leaves the message free; so copies of
# what is done or queued hold nobody up. It makes the insert wait for no open transaction. What was committed
# since that moment the insert sees as it is now.
_BEGIN: Final = f"""WITH {{clock}}, free AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(%(lock)s::bigint) AS got FROM clock
    WHERE %(keep_until)s::double precision > (SELECT forgot FROM {{{{s}}}}signedmsg_schema)
    AND NOT EXISTS (SELECT 1 FROM {{{{s}}}}signedmsg_inbox i WHERE {_KEY} AND NOT {_FREE})),
claimed AS (
    INSERT INTO {{{{s}}}}signedmsg_inbox AS i
        (inbox, issuer, message_id, digest, type, state, fence, attempt, due, keep_until, status, body)
    SELECT %(inbox)s::text, %(issuer)s::text, %(message_id)s::text, %(digest)s::bytea, %(type)s::text, %(state)s::text,
        nextval('{{{{s}}}}signedmsg_fence'), %(counts)s::integer, c.now + %(lease)s::double precision,
        %(keep_until)s::double precision, %(status)s::smallint, %(body)s::bytea
    FROM clock c, free f WHERE f.got
    ON CONFLICT (inbox, issuer, message_id) DO UPDATE SET digest = EXCLUDED.digest, type = EXCLUDED.type,
        state = EXCLUDED.state, fence = EXCLUDED.fence, due = EXCLUDED.due, status = EXCLUDED.status,
        attempt = CASE WHEN {_OVER} THEN 0 ELSE i.attempt END + EXCLUDED.attempt,
        keep_until = greatest(i.keep_until, EXCLUDED.keep_until), reason = NULL, body = EXCLUDED.body
    WHERE {_FREE}
    RETURNING fence, attempt)
SELECT (SELECT got FROM free), k.fence, k.attempt, (SELECT forgot FROM {{{{s}}}}signedmsg_schema)
FROM clock c LEFT JOIN claimed k ON true"""  # noqa: S608
BEGIN: Final = _BEGIN.format(clock=CLOCK_ALONE)
BEGIN_FOR_HANDLER: Final = _BEGIN.format(clock=CLOCK_FOR_HANDLERS)

FIND: Final = f"""WITH {CLOCK}
SELECT i.digest, i.state, i.due - c.now, i.status, i.reason FROM {{s}}signedmsg_inbox i, clock c WHERE {_KEY}"""  # noqa: S608


# No further than it matters. Rows that are over, but were not removed yet, do not count.
COUNT: Final = f"""WITH {CLOCK}, kept AS (
    SELECT i.keep_until - c.now AS left_to_keep FROM {{s}}signedmsg_inbox i, clock c
    WHERE i.inbox = %(inbox)s::text AND i.issuer = %(issuer)s::text AND NOT ({_ENDED} AND i.keep_until <= c.now)
    LIMIT %(quota)s::bigint)
SELECT count(*), min(left_to_keep) FROM kept"""  # noqa: S608


def _step(change: str, held: str, clock: str = CLOCK_ALONE) -> str:
    return f"""WITH {clock}
UPDATE {{s}}signedmsg_inbox i SET {change} FROM clock c
WHERE {_KEY} AND i.fence = %(fence)s::bigint AND {held} RETURNING i.fence"""  # noqa: S608


_HELD: Final = "i.state IN ('running', 'working')"
COMMIT: Final = _step("state = 'done', status = %(status)s::smallint, body = NULL", _HELD)
REJECT: Final = _step("state = 'rejected', reason = %(reason)s::text, body = NULL", _HELD)
RENEW: Final = _step("due = c.now + %(lease)s::double precision", _HELD)
RELEASE: Final = _step(
    "state = CASE i.state WHEN 'working' THEN 'waiting' ELSE 'released' END, due = c.now + %(delay)s::double precision",
    _HELD,
)
BURY: Final = _step("state = 'dead', reason = %(reason)s::text, due = c.now", "i.state = 'working'")
# In the transaction that has made the row `done`, and holds it.
SET_STATUS: Final = _step("status = %(status)s::smallint", "i.state = 'done'", CLOCK)
SET_REJECTED: Final = _step("state = 'rejected', reason = %(reason)s::text, status = NULL", "i.state = 'done'", CLOCK)

# A row that another transaction holds is that of a worker who took over, so it is not waited for.
RESUME: Final = f"""WITH {CLOCK_FOR_HANDLERS}, mine AS MATERIALIZED (
    SELECT i.fence FROM {{s}}signedmsg_inbox i, clock c
    WHERE {_KEY} AND i.fence = %(fence)s::bigint AND i.state = 'working' FOR UPDATE OF i SKIP LOCKED)
UPDATE {{s}}signedmsg_inbox i SET state = 'done', status = %(status)s::smallint, body = NULL
FROM mine m WHERE {_KEY} AND i.fence = m.fence RETURNING i.fence"""  # noqa: S608

TAKE: Final = f"""WITH {CLOCK_ALONE}, next AS MATERIALIZED (
    SELECT i.inbox, i.issuer, i.message_id FROM {{s}}signedmsg_inbox i
    WHERE i.inbox = %(inbox)s::text AND i.state IN ('waiting', 'working') AND i.due <= (SELECT now FROM clock)
    ORDER BY i.due LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE {{s}}signedmsg_inbox i SET state = 'working', fence = nextval('{{s}}signedmsg_fence'), attempt = i.attempt + 1,
    due = c.now + %(lease)s::double precision
FROM next n, clock c WHERE i.inbox = n.inbox AND i.issuer = n.issuer AND i.message_id = n.message_id
RETURNING i.issuer, i.message_id, i.fence, i.attempt, i.body"""  # noqa: S608

FORGET: Final = f"""WITH {CLOCK_ALONE}
DELETE FROM {{s}}signedmsg_inbox i USING clock c WHERE {_KEY} AND i.state IN ('done', 'rejected')
RETURNING i.fence"""  # noqa: S608

REDRIVE: Final = f"""WITH {CLOCK_ALONE}
UPDATE {{s}}signedmsg_inbox i SET state = 'waiting', attempt = 0, due = c.now, reason = NULL FROM clock c
WHERE {_KEY} AND i.state = 'dead' RETURNING i.fence"""  # noqa: S608

DEAD: Final = """SELECT issuer, message_id, type, attempt, reason, due FROM {s}signedmsg_inbox
WHERE inbox = %(inbox)s::text AND state = 'dead' ORDER BY due DESC LIMIT %(limit)s::bigint"""

DEPTH: Final = """SELECT
    (SELECT count(*) FROM {s}signedmsg_inbox WHERE inbox = %(inbox)s::text AND state IN ('waiting', 'working')
        AND state = 'waiting'),
    (SELECT count(*) FROM {s}signedmsg_inbox WHERE inbox = %(inbox)s::text AND state IN ('waiting', 'working')
        AND state = 'working'),
    (SELECT count(*) FROM {s}signedmsg_inbox WHERE inbox = %(inbox)s::text AND state = 'dead')"""

# Up to a whole minute, so that `forgot`, which every begin reads, is written once a minute at most.
# It is what a message must end after to be new: of others it is not known whether they were handled.
PURGE: Final = f"""WITH {CLOCK_ALONE}, old AS MATERIALIZED (
    SELECT i.inbox, i.issuer, i.message_id FROM {{s}}signedmsg_inbox i
    WHERE i.state IN ('released', 'done', 'rejected', 'running')
    AND i.keep_until <= floor((SELECT now FROM clock) / 60) * 60
    AND (i.state <> 'running' OR i.due <= (SELECT now FROM clock) - {ABANDONED})
    ORDER BY i.keep_until LIMIT 256 FOR UPDATE SKIP LOCKED),
gone AS (
    DELETE FROM {{s}}signedmsg_inbox i USING old o
    WHERE i.inbox = o.inbox AND i.issuer = o.issuer AND i.message_id = o.message_id RETURNING i.keep_until)
UPDATE {{s}}signedmsg_schema v SET forgot = floor(c.now / 60) * 60 FROM clock c
WHERE v.forgot < floor(c.now / 60) * 60 AND EXISTS (SELECT 1 FROM gone)"""  # noqa: S608
