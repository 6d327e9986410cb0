"""What an inbox in Redis asks, and what it makes of the answer; without I/O, for both faces."""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected
from signedmsg.stores import _redis_inbox_scripts as scripts
from signedmsg.stores._inbox_limits import check_name, check_retention, forgotten, lease_lost, over_quota
from signedmsg.stores._redis_client import Call, check_word
from signedmsg.stores._redis_refusals import misconfigured
from signedmsg.stores._redis_replay import LEAST_QUOTA, SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg.stores._redis_client import Argument

_MICRO: Final = 1_000_000


class InboxRows:
    """Makes the calls of one inbox and reads the replies; without I/O, for both faces."""

    def __init__(
        self,
        name: str,
        *,
        prefix: str,
        retention: float,
        quota: int,
        checks_eviction: bool,
        server_clock: Callable[[], float] | None,
        shards: int,
    ) -> None:
        if not isinstance(quota, int) or isinstance(quota, bool):
            raise TypeError(f"quota: expected an int, got {type(quota).__name__}")
        if quota < (LEAST_QUOTA if shards == SHARDS else 1):
            raise ValueError(f"quota: expected at least {LEAST_QUOTA} messages, since {SHARDS} shards share it")
        self.name = check_name(name)
        self.retention = check_retention(retention)
        # A name may hold what has a meaning in keys: a colon, or the braces of a hash tag.
        self._start = f"{check_word('prefix', prefix)}:inbox:{quote(name, safe='')}"
        self._quota, self._checks, self._shards = quota, checks_eviction, shards
        self._server_clock = server_clock

    def begin(self, arrival: Arrival, lease: float) -> Call:
        """Return the call that claims a message."""
        issuer, message_id, digest, keep_until, kind = arrival
        member, row = self._row(issuer, message_id)
        share = f"{row.removesuffix(member)}share:{_short(issuer)}"
        arguments: tuple[Argument, ...] = (
            digest.hex(),
            int(lease * _MICRO),
            int(keep_until * _MICRO),
            self._quota // self._shards,
            member,
            issuer,
            message_id,
            kind,
            # Tells a call that the client library sends again from that of another holder.
            token_bytes(8).hex(),
            int(self._checks),
            self._now(),
        )
        return Call(scripts.BEGIN, (row, share), arguments)

    def begun(self, arrival: Arrival, reply: object) -> Claim | Settled:
        """Return what the reply to `begin` means, or raise it."""
        status, number, attempt = cast("tuple[int, int, int]", reply)
        if status == scripts.CLAIMED:
            return Claim(arrival.issuer, arrival.message_id, int(number), int(attempt))
        if status == scripts.RUNNING:
            return InProgress(int(number) / _MICRO)
        if status == scripts.DONE:
            return Done(int(number))
        if status == scripts.REJECTED:
            return Rejected(number.decode() if isinstance(number, bytes) else str(number))
        if status == scripts.CONFLICT:
            return Conflict()
        if status == scripts.OVER_QUOTA:
            raise over_quota(arrival.issuer, self._quota, int(number) / _MICRO)
        if status == scripts.FORGOTTEN:
            raise forgotten(int(number) / _MICRO)
        raise misconfigured(status)

    def finish(self, claim: Claim, state: str, value: str = "", lease: float = 0.0) -> Call:
        """Return the call that brings a message that is held into another state, or extends its lease."""
        _, row = self._row(claim.issuer, claim.message_id)
        return Call(scripts.FINISH, (row,), (claim.fence, state, value, int(lease * _MICRO), self._now()))

    def finished(self, claim: Claim, reply: object) -> None:
        """Raise LeaseLostError when the reply to `finish` says that the message is not held."""
        if reply != 1:
            raise lease_lost(claim)

    def forget(self, issuer: str, message_id: str) -> Call:
        """Return the call that forgets a message."""
        _, row = self._row(issuer, message_id)
        return Call(scripts.FORGET, (row,), (self._now(),))

    def _row(self, issuer: str, message_id: str) -> tuple[str, str]:
        # Both are visible ASCII, so that no two pairs meet around a NUL.
        member = _short(f"{issuer}\0{message_id}")
        shard = int(member[:2], 16) % self._shards
        return member, f"{self._start}:{{{shard}}}:{member}"

    def _now(self) -> Argument:
        return "" if self._server_clock is None else int(self._server_clock() * _MICRO)


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
