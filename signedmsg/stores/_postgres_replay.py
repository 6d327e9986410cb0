"""A replay cache in PostgreSQL: the plan of an `add`, and what a process knows of losses; without I/O."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg.errors import StoreError
from signedmsg.stores import _postgres_replay_sql as statements
from signedmsg.stores._batches import Entry
from signedmsg.stores._limits import CLOCK_TOLERANCE, clock_went_back, not_positive, too_early
from signedmsg.stores._postgres_calls import Ask, Rows
from signedmsg.stores._postgres_schema import VERSION, missing, other_version
from signedmsg.stores._postgres_shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signedmsg.stores._postgres_calls import Plan

_LONGEST: Final = 1e9
_PATIENCE: Final = 1.0
_LOOKS: Final = 3
_PURGE_EVERY: Final = 256
_FROM_START: Final = 64
_REMEDY: Final = "empty the table signedmsg_replay with TRUNCATE"

Answer = bool | Exception


class Birth(NamedTuple):
    """Since when the cache remembers: the id it drew then, and how much younger a token must be."""

    id: uuid.UUID
    leeway: float


class Sight(NamedTuple):
    """What one statement saw: of which birth, asked when, how old the cache was, and which ids were new."""

    birth: Birth
    asked_at: float
    cache_age: float
    added: frozenset[uuid.UUID]


class ReplayOptions(NamedTuple):
    """The options of a replay cache in PostgreSQL, checked."""

    schema: str
    qualifier: str
    capacity: int
    quota: int
    leeway: float
    clock: Callable[[], float]
    server_clock: Callable[[], float] | None
    any_birth: bool


def check_entry(key: bytes, keep: float, issuer: str, issued_at: float) -> Entry:
    """Return the arguments of an `add`, or raise ValueError."""
    if len(key) != 16:
        raise ValueError(f"key: expected 16 bytes, got {len(key)}")
    if not keep > 0:
        raise not_positive(keep)
    return Entry(key, min(keep, _LONGEST), issuer, issued_at)


class ReplayTable:
    """Plans adds, and knows all births that this process has seen. Safe for threads."""

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._shares = Shares(options.qualifier, options.capacity, options.quota, options.server_clock)
        self._lock = threading.Lock()
        self._births: list[uuid.UUID] = []
        self._birth: Birth | None = None
        self._added = 0
        self._purges = 0
        self._purged_to = float("-inf")

    def __repr__(self) -> str:
        options = self._options
        return f"{options.schema}: {options.capacity} ids, {options.quota} an issuer"

    def prepare(self) -> Plan[None]:
        """Check the tables, and learn the birth: made now, if ids were lost."""
        yield from self._look()

    def add(self, entries: Sequence[Entry]) -> Plan[list[Answer]]:
        """Record ids and say of each whether it is new, or why it is refused.

        Raises:
            StoreError: all are refused.
        """
        if self._birth is None:
            yield from self._look()
        # Each key once; the statement puts them in order, or else two batches could wait for each other.
        unique = {entry.key: entry for entry in reversed(entries)}
        outcomes: dict[bytes, Answer] = {}
        paid = yield from self._shares.pay(unique.values(), outcomes)
        refused = list(outcomes)
        try:
            yield from self._insert([unique[key] for key in paid], outcomes)
        finally:
            for key, share in paid.items():
                self._shares.settle(share, recorded=outcomes.get(key) is True)
        yield from self._settle_refused(refused, outcomes)
        return [self._take(outcomes, entry.key) for entry in entries]

    def purge(self) -> Plan[None]:
        """Remove some ids that are over, if it is time for that."""
        with self._lock:
            if self._added < _PURGE_EVERY:
                return
            limit, self._added = 2 * self._added, 0
            self._purges += 1
            # Not from the beginning each time, where what was removed last is still in the way; but now
            # and then, for ids that another one held, or of a clock that stepped.
            after = self._purged_to if self._purges % _FROM_START else float("-inf")
        rows = yield self._ask(statements.PURGE, after=after, limit=limit)
        self._purged_to = after if rows[0][1] is None else rows[0][1]
        yield self._ask(statements.PURGE_SHARES)

    def _take(self, outcomes: dict[bytes, Answer], key: bytes) -> Answer:
        outcome = outcomes[key]
        if outcome is True:
            outcomes[key] = False  # of several copies in one batch, the first one is new
        return outcome

    def _insert(self, entries: Sequence[Entry], outcomes: dict[bytes, Answer]) -> Plan[None]:
        for _ in range(_LOOKS if entries else 0):
            birth, asked_at = self._birth, self._options.clock()
            if birth is not None:
                rows = yield self._ask_add(entries, birth, asked_at)
                now, born, added = rows[0]
                if born is not None:
                    sight = Sight(birth, asked_at, now - born, frozenset(added))
                    outcomes.update((entry.key, self._judge(entry, sight)) for entry in entries)
                    with self._lock:
                        self._added += len(added)
                    return
            yield from self._look()
        if entries:
            raise StoreError("the replay cache was lost again and again while it was asked", retry_after=1)

    def _ask_add(self, entries: Sequence[Entry], birth: Birth, now: float) -> Ask:
        return self._ask(
            statements.ADD,
            birth=birth.id,
            keys=[uuid.UUID(bytes=entry.key) for entry in entries],
            keeps=[entry.keep for entry in entries],
            ages=[self._age(entry, birth, now) for entry in entries],
        )

    def _age(self, entry: Entry, birth: Birth, now: float) -> float:
        """Return what the cache's own age must not be below. Ages, because the two clocks may differ."""
        return -_LONGEST if self._options.any_birth else now - entry.issued_at + birth.leeway

    def _judge(self, entry: Entry, sight: Sight) -> Answer:
        birth, asked_at, cache_age, added = sight
        now = self._options.clock()
        # The age was measured when the call was made, that of the cache when it was run: a call
        # that was under way for seconds makes the cache look older than it is.
        seen_at = now if now - asked_at > _PATIENCE else asked_at
        if not self._age(entry, birth, seen_at) <= cache_age:
            return too_early(asked_at - cache_age, entry.issued_at)
        return uuid.UUID(bytes=entry.key) in added

    def _settle_refused(self, keys: list[bytes], outcomes: dict[bytes, Answer]) -> Plan[None]:
        """Answer False, and not that there is no room, for ids that were here before."""
        if keys:
            rows = yield self._ask(statements.SEEN, keys=[uuid.UUID(bytes=key) for key in keys])
            outcomes.update((key.bytes, False) for (key,) in rows)

    def _look(self) -> Plan[None]:
        """Learn the birth, or make one; a birth that this process knew before the last one counts as a loss, too.

        Raises:
            StoreError: there are no tables, or of another version; or the clocks are apart.
        """
        yield from check_version(self._options.schema, self._options.qualifier)
        for _ in range(_LOOKS):
            # A copy of the lost table has the birth of the lost one, and fewer ids.
            yield self._ask(statements.BE_BORN, fresh=uuid.uuid4(), past=self._births[:-1])
            if rows := (yield self._ask(statements.BIRTH)):
                self._learn(rows[0])
                return
        raise StoreError("the replay cache was lost again and again while it was looked at", retry_after=1)

    def _learn(self, row: tuple[uuid.UUID, float, float, bool]) -> None:
        birth_id, now, forgot_at, unlogged = row
        if not unlogged:
            raise StoreError("the tables of the replay cache must be UNLOGGED, or losses in a crash go unnoticed")
        apart = now - self._options.clock()
        if not abs(apart) <= CLOCK_TOLERANCE:
            raise _clocks_differ(apart)
        if not now >= forgot_at - CLOCK_TOLERANCE:
            raise clock_went_back(forgot_at - now, _REMEDY)
        with self._lock:
            if birth_id not in self._births[-1:]:
                self._births.append(birth_id)
                self._shares.forget()
                # What this process saw get lost may hold tokens whose senders' clocks were fast.
                self._birth = Birth(birth_id, self._options.leeway if len(self._births) > 1 else 0.0)

    def _ask(self, query: str, **parameters: object) -> Ask:
        options = self._options
        server_now = None if options.server_clock is None else options.server_clock()
        common = {"now": server_now, "client_now": options.clock(), "tolerance": CLOCK_TOLERANCE}
        return Ask(query.format(s=options.qualifier).encode(), common | parameters)


def check_version(schema: str, qualifier: str) -> Plan[None]:
    """Check that the tables are there, and of this version.

    Raises:
        StoreError: they are not.
    """
    rows: Rows = yield Ask(f"SELECT version FROM {qualifier}signedmsg_schema".encode(), {})  # noqa: S608
    if not rows:
        raise missing(schema)
    if rows[0][0] != VERSION:
        raise other_version(schema, rows[0][0])


def _clocks_differ(seconds: float) -> StoreError:
    return StoreError(
        f"the clock of the PostgreSQL server and this one are {abs(seconds):.0f} s apart; at most "
        f"{CLOCK_TOLERANCE:.0f} are allowed",
        hint="set the clocks right, with NTP",
    )
