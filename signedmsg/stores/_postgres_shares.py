"""Who may record how many ids: a process reserves a block of an issuer's quota, and spends it without asking.

A count in the database for each id would be one row that every `add` writes, and that
no cleaning keeps up with while a backup is being taken. What is reserved counts until twice the keep
is over, spent or not; so a process that dies leaves nothing that must be put right. Counted
is always as much as is remembered, or more.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, cast

from signedmsg.stores import _postgres_replay_sql as statements
from signedmsg.stores._limits import full, over_quota
from signedmsg.stores._postgres_calls import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signedmsg.stores._batches import Entry
    from signedmsg.stores._postgres_calls import Plan
    from signedmsg.stores._postgres_replay import Answer

_LARGEST: Final = 256
# A call may be under way for a while after its share was chosen.
_SLACK: Final = 60.0


class Share:
    """So many ids may be recorded whose keeps are over by `last`; `out` are being recorded now."""

    __slots__ = ("last", "left", "out")

    def __init__(self, left: int, out: int, last: float) -> None:
        self.left, self.out, self.last = left, out, last


class Shares:
    """What this process has reserved. Safe for threads."""

    def __init__(self, qualifier: str, capacity: int, quota: int, ticks: Callable[[], float] | None) -> None:
        self._query = statements.RESERVE.format(s=qualifier, lock=f"hashtext('{qualifier}')").encode()
        self._capacity, self._quota = capacity, quota
        self._now, self._ticks = ticks, ticks or time.monotonic
        self._block = max(1, min(_LARGEST, quota // 1024))
        self._lock = threading.Lock()
        self._shares: dict[str, list[Share]] = {}

    def pay(self, entries: Iterable[Entry], outcomes: dict[bytes, Answer]) -> Plan[dict[bytes, Share]]:
        """Return from which share each key is paid; for whom there is no room, the outcome says why."""
        paid: dict[bytes, Share] = {}
        unpaid: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if share := self._spend(entry):
                paid[entry.key] = share
            else:
                unpaid[entry.issuer].append(entry)
        try:
            for issuer, waiting in unpaid.items():
                yield from self._reserve(issuer, waiting, paid, outcomes)
        except BaseException:
            for share in paid.values():
                self.settle(share, recorded=False)
            raise
        return paid

    def settle(self, share: Share, *, recorded: bool) -> None:
        """Take back what was paid for an id that was not recorded."""
        with self._lock:
            share.out -= 1
            share.left += not recorded

    def forget(self) -> None:
        """Spend nothing of what was reserved before a loss: its counts are lost as well."""
        with self._lock:
            self._shares.clear()

    def _spend(self, entry: Entry) -> Share | None:
        over = self._ticks() + entry.keep
        with self._lock:
            for share in self._shares.get(entry.issuer, ()):
                if share.left > 0 and share.last >= over:
                    share.left -= 1
                    share.out += 1
                    return share
        return None

    def _reserve(
        self, issuer: str, waiting: list[Entry], paid: dict[bytes, Share], outcomes: dict[bytes, Answer]
    ) -> Plan[None]:
        keep = max(entry.keep for entry in waiting)
        last = self._ticks() + 2 * keep
        parameters = {
            "now": None if self._now is None else self._now(),
            "issuer": issuer,
            "wanted": max(self._block, len(waiting)),
            "capacity": self._capacity,
            "quota": self._quota,
            "lasts": 2 * keep + _SLACK,
        }
        rows = yield Ask(self._query, parameters, whole=True)
        granted, over, wait = cast("tuple[int, bool, Any]", rows[0])
        share = Share(max(0, granted - len(waiting)), min(granted, len(waiting)), last)
        with self._lock:
            of_use = [each for each in self._shares.get(issuer, []) if each.left or each.out]
            live = [each for each in of_use if each.last > last - keep]
            self._shares[issuer] = [*live, share]
        paid.update((entry.key, share) for entry in waiting[:granted])
        wait = max(1.0, float(wait))
        for entry in waiting[granted:]:
            outcomes[entry.key] = over_quota(issuer, self._quota, wait) if over else full(self._capacity, wait)
