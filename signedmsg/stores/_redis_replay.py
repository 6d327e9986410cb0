"""What a replay cache in Redis asks, and what it makes of the answer; without I/O, for both faces.

Ids are spread over 64 shards by their first byte, so that a cluster shares the work. The
number is part of the layout: two receivers with different ones would not see each
other's ids, so it cannot be chosen.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg.stores import _redis_replay_script as script
from signedmsg.stores._batches import Entry
from signedmsg.stores._limits import check_limits, check_seconds, not_positive, too_early
from signedmsg.stores._redis_client import Call, check_word, unavailable
from signedmsg.stores._redis_refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARDS: Final = 64
# Below this the spread of ids over the shards would refuse an issuer far before its quota.
LEAST_QUOTA: Final = 16 * SHARDS
_MICRO: Final = 1_000_000
_LONGEST: Final = 10**9  # seconds; more would leave the numbers that a double holds exactly
_PATIENCE: Final = 1.0
_NONCE: Final = 8


class Add(NamedTuple):
    """One entry on its way: to which shard, and with which nonce.

    The nonce tells a call that was sent again, by the client library or by us, from another one with the same id.
    """

    entry: Entry
    shard: int
    nonce: bytes


class Ask(NamedTuple):
    """One question about some entries, and what is needed to judge its answer."""

    call: Call
    adds: Sequence[Add]
    asked_at: float


_NOTHING: Final = Entry(b"", 1.0, "", 0.0)


class Options(NamedTuple):
    """The options of a replay cache in Redis, checked."""

    prefix: str
    capacity: int
    quota: int
    leeway: float
    any_birth: bool
    checks_eviction: bool
    clock: Callable[[], float]
    server_clock: Callable[[], float] | None
    shards: int


def check_options(
    prefix: str,
    capacity: int,
    quota: int | None,
    leeway: float,
    *,
    any_birth: bool,
    checks_eviction: bool,
    clock: Callable[[], float],
    server_clock: Callable[[], float] | None,
    shards: int,
) -> Options:
    """Return the options, or raise TypeError or ValueError with the name of the one that is wrong."""
    capacity, quota = check_limits(capacity, quota)
    if shards == SHARDS and quota < LEAST_QUOTA:
        raise ValueError(f"quota: expected at least {LEAST_QUOTA} ids, since it is shared by {SHARDS} shards")
    leeway = check_seconds("leeway", leeway)
    prefix = check_word("prefix", prefix)
    return Options(prefix, capacity, quota, leeway, any_birth, checks_eviction, clock, server_clock, shards)


def check_entry(key: bytes, keep: float, issuer: str, issued_at: float) -> Entry:
    """Return the arguments of an `add`, or raise ValueError."""
    if len(key) != 16:
        raise ValueError(f"key: expected 16 bytes, got {len(key)}")
    if not keep > 0:
        raise not_positive(keep)
    return Entry(key, keep, issuer, issued_at)


class ReplayShards:
    """Makes the calls, judges the replies, and knows the latest epoch that this process has seen of each shard.

    `ready` is False until all shards were looked at, and again once one was born in a
    call of ours: the others may be lost too, and had better be born now than one by one.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._known = [0] * options.shards
        self._keys = [
            (f"{options.prefix}:{{{shard}}}:young", f"{options.prefix}:{{{shard}}}:old")
            for shard in range(options.shards)
        ]
        self._limits = (
            int(options.leeway * _MICRO),
            -(-options.capacity // options.shards),
            options.quota // options.shards,
        )
        self.ready = False

    def __repr__(self) -> str:
        options = self._options
        return f"{options.prefix}: {options.capacity} ids, {options.quota} an issuer"

    def add(self, entry: Entry) -> Ask:
        """Return the question whether an id is new, to be asked at once."""
        return self.ask(self.adds((entry,)))

    def adds(self, entries: Sequence[Entry]) -> list[Add]:
        """Return the adds of some entries; each has a nonce of its own, and keeps it however often it is asked."""
        shards, nonces = self._options.shards, token_bytes(_NONCE * len(entries))
        return [
            Add(entry, entry.key[0] % shards, nonces[place * _NONCE : (place + 1) * _NONCE])
            for place, entry in enumerate(entries)
        ]

    def looks(self) -> list[Ask]:
        """Return the questions that make every shard that is missing, and learn the births of the others."""
        return [self.ask([Add(_NOTHING, shard, b"")]) for shard in range(self._options.shards)]

    def ask(self, adds: Sequence[Add]) -> Ask:
        """Return one question about all of these, to be asked at once; on a cluster they are of one shard."""
        options, known = self._options, self._known
        now = options.clock()
        places: dict[int, int] = {}
        packed = [
            script.ENTRY.pack(
                not entry.key,
                places.setdefault(shard, len(places)),
                entry.key,
                nonce,
                _issuer(entry.issuer),
                int(min(entry.keep, _LONGEST) * _MICRO) + 1,
                -_LONGEST * _MICRO if options.any_birth else _micro(now - entry.issued_at),
                known[shard],
            )
            for entry, shard, nonce in adds
        ]
        arguments = (
            *self._limits,
            int(now * _MICRO),
            int(options.checks_eviction),
            "" if options.server_clock is None else int(options.server_clock() * _MICRO),
            b"".join(packed),
        )
        keys = tuple(key for shard in places for key in self._keys[shard])
        return Ask(Call(script.ADD, keys, arguments), adds, now)

    def looked(self, looks: list[Ask], replies: list[object]) -> None:
        """Note what all shards replied, or raise what one of them means."""
        for look, reply in zip(looks, replies, strict=True):
            for answer in self.judge(look, reply):
                if isinstance(answer, Exception):
                    raise answer
        self.ready = True

    def judge(self, ask: Ask, reply: object) -> list[bool | Exception]:
        """Return for each entry whether its id is new, or what else the reply means."""
        if isinstance(reply, Exception):
            error = unavailable(reply)
            if error is not reply:
                error.__cause__ = reply
            return [error] * len(ask.adds)
        numbers = map(int, cast("bytes | str", reply).split())
        server_now = next(numbers)
        fours = zip(numbers, numbers, numbers, numbers, strict=True)
        now = self._options.clock()
        late = now - ask.asked_at > _PATIENCE and not self._options.any_birth
        answers: list[bool | Exception] = []
        for add, (status, epoch, reborn, number) in zip(ask.adds, fours, strict=True):
            self._known[add.shard] = max(self._known[add.shard], epoch)
            if reborn:
                self.ready = False
            if status == script.NEW:
                answers.append(_answer_late(add.entry, now - (server_now - number) / _MICRO) if late else True)
            elif status == script.SEEN:
                answers.append(False)
            else:
                answers.append(refusal(self._options, add.entry, status, number / _MICRO))
        return answers


def _answer_late(entry: Entry, birth: float) -> bool | Exception:
    """Refuse a token that only seems young enough because the call was long under way.

    Its age was measured when the call was made, that of the shard when it was run: a
    call that waited for seconds would make the shard look older than it is.
    """
    return True if not entry.key or entry.issued_at >= birth else too_early(birth, entry.issued_at)


@lru_cache(maxsize=1024)
def _issuer(issuer: str) -> bytes:
    """Return the name under which an issuer's ids are counted; few issuers send many messages each."""
    return b"i" + blake2b(issuer.encode(), digest_size=16).digest()


def _micro(seconds: float) -> int:
    """Return microseconds, within what the script can hold; no number at all counts as very old."""
    if not seconds < _LONGEST:
        return _LONGEST * _MICRO
    return int(max(seconds, -_LONGEST) * _MICRO)
