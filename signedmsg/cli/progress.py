"""A line on the terminal that counts while messages are sent."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

from signedmsg.cli.output import note

if TYPE_CHECKING:
    from types import TracebackType

    from signedmsg.cli.delivery import Tally

_EVERY: Final = 0.1


class Progress:
    """Shows a tally on stderr, ten times a second at most, and only to a terminal."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._started = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()
        self._drawn = False

    def update(self) -> None:
        """Draw the line anew when it is time."""
        now = time.monotonic()
        if not self._live or now - self._shown < _EVERY:
            return
        self._shown = now
        rate = self._tally.sent / (now - self._started)
        text = f"sent {self._tally.sent}  accepted {self._tally.accepted}  refused {self._tally.refused}  {rate:.0f}/s"
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()
        self._drawn = True

    def say(self, text: str) -> None:
        """Write a line above the progress."""
        self._clear()
        note(text)

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
