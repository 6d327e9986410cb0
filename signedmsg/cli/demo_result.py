"""What the demo found out, and whether it is what must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg.cli.attacks import Expected


class Seen(NamedTuple):
    """What came of one attempt: the answer's status and code, and the receiver's own code and reason."""

    status: int
    answered: str = ""
    code: str = ""
    reason: str = ""


class Row(NamedTuple):
    """One attempt: what was to come of it, and what came."""

    group: str
    title: str
    expected: Expected
    seen: Seen

    @property
    def passed(self) -> bool:
        """Whether status, public code and the receiver's own code are as they must be."""
        return self.expected == self.seen[:3]

    @property
    def is_attack(self) -> bool:
        """Whether it must be refused."""
        return self.expected.status >= 300


@dataclass(slots=True)
class Result:
    """Everything that was sent, tried and handled.

    Attributes:
        sent: the data of each genuine message that must be handled, by message id.
        handled: what the handlers were given: id and data, in order.
        rows: the attempts that were made after the stream.
        streamed: how many messages the stream had.
        stream_seconds: how long it took to send them, one after the other.
        seconds: how long all of it took.
    """

    sent: dict[str, object] = field(default_factory=dict[str, object])
    handled: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    rows: list[Row] = field(default_factory=list[Row])
    streamed: int = 0
    stream_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """How many messages reached no handler."""
        return len(self.sent.keys() - {id for id, _ in self.handled})

    @property
    def duplicated(self) -> int:
        """How many times a handler was given a message again."""
        return len(self.handled) - len({id for id, _ in self.handled})

    @property
    def foreign(self) -> int:
        """How many times a handler was given what nobody sent: an id, or data, of an attacker."""
        return sum(id not in self.sent or data != self.sent[id] for id, data in self.handled)

    @property
    def in_order(self) -> bool:
        """Whether the messages were handled in the order in which they were sent."""
        return list(self.sent) == [id for id, _ in self.handled]

    @property
    def attacks(self) -> int:
        """How many attempts must be refused."""
        return sum(row.is_attack for row in self.rows)

    @property
    def refused(self) -> int:
        """How many of them were, for the reason they must be."""
        return sum(row.is_attack and row.passed for row in self.rows)

    @property
    def ok(self) -> bool:
        """Whether all is as it must be."""
        exact = self.in_order and not (self.lost or self.duplicated or self.foreign)
        return exact and all(row.passed for row in self.rows)

    def as_json(self) -> Mapping[str, object]:
        """Return it as JSON can write it."""
        return {
            "ok": self.ok,
            "sent": len(self.sent),
            "handled": len(self.handled),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "foreign": self.foreign,
            "in_order": self.in_order,
            "attacks": self.attacks,
            "refused": self.refused,
            "stream": {"messages": self.streamed, "seconds": round(self.stream_seconds, 3)},
            "seconds": round(self.seconds, 3),
            "rows": [
                {
                    "group": row.group,
                    "tried": row.title,
                    "passed": row.passed,
                    "expected": row.expected._asdict(),
                    "seen": row.seen._asdict(),
                }
                for row in self.rows
            ],
        }
