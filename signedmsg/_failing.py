"""Turn whatever somebody's own directory, cache or inbox raises into an outage: fail closed, 503."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg.errors import HandlerError, KeyDirectoryError, StoreError, UnavailableError, VerificationError

if TYPE_CHECKING:
    from types import TracebackType

OWN: Final = (VerificationError, UnavailableError, HandlerError)


class FailingAs:
    """A context that lets the package's own verdicts pass, and nothing else.

    One object serves every call, since it keeps nothing between them.
    """

    __slots__ = ("_kind",)

    def __init__(self, kind: type[UnavailableError]) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, OWN):
            raise self.outage(error) from error

    def outage(self, error: Exception) -> UnavailableError:
        """Return what to raise from an error that is not the package's own."""
        return self._kind(f"it raised {type(error).__name__}")


DIRECTORY: Final = FailingAs(KeyDirectoryError)
STORE: Final = FailingAs(StoreError)
