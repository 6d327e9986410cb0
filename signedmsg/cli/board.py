"""The demo as a person sees it: line by line, while it happens."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Final

from signedmsg.cli.demo_receiver import ALLOWED, BILLING, STORE
from signedmsg.cli.output import paint, printable, show, symbol

if TYPE_CHECKING:
    from signedmsg.cli.demo_result import Result, Row
    from signedmsg.cli.demo_world import World

_TRIED: Final = 25
_TOLD: Final = 23
_BEFORE_REASON: Final = len("  ✓ ") + _TRIED + 1 + _TOLD + 2
_NEXT: Final = (
    ("signedmsg keygen --help", "your own first message, by hand"),
    ("docs/tutorial", "both ends in your own code, in ten minutes"),
    ("docs/explanation/threats.md", "each of these attacks, and what stops it"),
)


class Board:
    """Prints each step of the demo as it is made."""

    def __init__(self) -> None:
        width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
        self._room = width - _BEFORE_REASON
        self._group = ""
        self._good = paint(symbol("✓", "ok"), "green")
        self._bad = paint(symbol("✗", "!!"), "red")

    def begin(self, world: World) -> None:
        """Introduce who takes part."""
        show()
        show(f"  {paint('signedmsg demo', 'bold')}  signed messages from two senders to a receiver, over real HTTP")
        show()
        show(f"  receiver  {world.receiver.url}  process {world.receiver.pid}, replay cache in SQLite")
        for issuer, key in ((BILLING, world.billing), (STORE, world.store)):
            show(f"  sender    {issuer:<23}  {key.alg}, may send {' and '.join(ALLOWED[issuer])}")
        show()

    def streamed(self, result: Result) -> None:
        """Say that the stream was accepted."""
        rate = paint(f"{result.streamed / result.stream_seconds:.0f} a second, one by one", "dim")
        show(f"  {self._good} {result.streamed} messages signed, sent, verified and handed to their handlers  {rate}")
        show()
        show(paint(f"    {'what was tried':<{_TRIED}} {'the answer':<{_TOLD}}  the receiver's own reason", "dim"))

    def row(self, row: Row) -> None:
        """Show one attempt and what came of it."""
        if row.group != self._group:
            self._group = row.group
            show()
            show(paint(f"    {row.group}", "bold"))
        mark = self._good if row.passed else self._bad
        told = f"{f'{row.seen.status} {row.seen.answered}':<{_TOLD}}"
        colour = "red" if not row.passed else "yellow" if row.is_attack else "green"
        first, *more = self._reason(row)
        show(f"  {mark} {row.title:<{_TRIED}} {paint(told, colour)}  {paint(first, 'dim')}")
        for line in more:
            show(f"{'':<{_BEFORE_REASON}}{paint(line, 'dim')}")

    def _reason(self, row: Row) -> list[str]:
        text = row.seen.reason or "accepted, and handled"
        if not row.passed:
            text += f"; expected {row.expected.status} {row.expected.reason}"
        return textwrap.wrap(printable(text), self._room)

    def end(self, result: Result) -> None:
        """Count, and say whether all is as it must be."""
        counts = (len(result.sent), "sent"), (len(result.handled), "handled"), (result.lost, "lost")
        more = (result.duplicated, "duplicated"), (result.attacks, "attacks"), (result.refused, "refused")
        show()
        show("  " + "   ".join(f"{paint(str(number), 'bold')} {word}" for number, word in counts + more))
        verdict = "all as it must be" if result.ok else "NOT as it must be"
        show(f"  {paint(verdict, 'green' if result.ok else 'red')}{paint(f', in {result.seconds:.1f} s', 'dim')}")
        show()
        for at, (what, why) in enumerate(_NEXT):
            show(f"  {'' if at else 'next':<6}{what:<29}{paint(why, 'dim')}")
        show()
