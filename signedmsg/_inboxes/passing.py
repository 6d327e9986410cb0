"""The end of a transaction's block: what the store raises is an outage, what ended the block goes on as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._failing import STORE

if TYPE_CHECKING:
    from types import TracebackType


class passing:  # noqa: N801 - used as a function
    """`STORE`, but for the very error that ended the block: that one goes on as it is."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not self._error:
            STORE.__exit__(kind, error, trace)
