"""What a receiver's flows ask of the world: its clock, directory, replay cache and observer, in both colours.

Whatever somebody's own directory or cache raises is an outage here, and what it returns is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from signedmsg._core.clock import read_clock
from signedmsg._core.health import KeySnapshot
from signedmsg._core.policy import Trust
from signedmsg._core.straight import Straight
from signedmsg._failing import DIRECTORY, OWN, STORE
from signedmsg._inboxes import AsyncCalls, BlockingCalls
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import UnavailableError
from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from signedmsg._core.events import Event
    from signedmsg._core.policy import ReceivePolicy
    from signedmsg._flows.ports import AsyncReplayCache, ReplayCache

T = TypeVar("T")


class Asks(Protocol):
    """The part of a receiver that its ports look at."""

    @property
    def policy(self) -> ReceivePolicy: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def notice(self) -> Callable[[Event], None]: ...
    @property
    def listens(self) -> Callable[[], bool]: ...


def time_now(clock: Callable[[], float]) -> float:
    """Return the time that a receiver's clock says.

    Raises:
        UnavailableError: it says none.
    """
    now = read_clock(clock)
    if now is None:
        raise UnavailableError("the receiver's clock does not say what time it is")
    return now


def _of_type(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"expected a {kind.__name__}")
    return value


class _Ports:
    def __init__(
        self,
        receiver: Asks,
        directory: KeyDirectory | AsyncKeyDirectory,
        replay: ReplayCache | AsyncReplayCache,
    ) -> None:
        self._add: Callable[..., Any] = replay.add
        self._clock = receiver.clock
        self.notice = receiver.notice
        self.listens = receiver.listens
        self._trusted = directory.trusted
        self._snapshot = getattr(directory, "snapshot", None)
        # Only of these two is it known that what is at hand is what `find` would return.
        ours = type(directory) in (KeyDirectory, AsyncKeyDirectory)
        self.straight = (
            Straight(receiver.policy, clock=receiver.clock, at_hand=directory.at_hand)
            if ours and receiver.policy.tokens is None
            else None
        )

    def now(self) -> float:
        return time_now(self._clock)

    def trusted(self, issuer: str) -> Trust:
        with DIRECTORY:
            return _of_type(Trust, self._trusted(issuer))

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool | Coroutine[Any, Any, bool]:
        """Ask the replay cache, which answers at once. As `with STORE`, but free of charge where nothing fails."""
        try:
            # Anything but True, such as a coroutine that nobody here awaits, is no word that the id was new.
            return self._add(key, keep, issuer=issuer, issued_at=issued_at) is True
        except OWN:
            raise
        except Exception as error:
            raise STORE.outage(error) from error

    def known_keys(self, issuer: str) -> KeySnapshot | None:
        """Return the keys that are held of an issuer, without I/O, where the directory can tell."""
        if self._snapshot is None:
            return None
        try:
            return _of_type(KeySnapshot, self._snapshot(issuer))
        except Exception:  # noqa: BLE001 - it only helps to explain a refusal
            return None


class BlockingPorts(_Ports, BlockingCalls):
    """Ports that answer at once; the flow never suspends on them."""

    def __init__(self, receiver: Asks, directory: KeyDirectory, replay: ReplayCache) -> None:
        super().__init__(receiver, directory, replay)
        self._find = directory.find

    async def find(self, issuer: str, kid: str) -> PublicKey:
        with DIRECTORY:
            return _of_type(PublicKey, self._find(issuer, kid))


class AsyncPorts(_Ports, AsyncCalls):
    """Ports that suspend, or that only touch memory."""

    def __init__(
        self,
        receiver: Asks,
        directory: AsyncKeyDirectory | KeyDirectory,
        replay: AsyncReplayCache | ReplayCache,
    ) -> None:
        super().__init__(receiver, directory, replay)
        self._directory = directory
        self._suspends = replay.waits == "suspends"

    async def find(self, issuer: str, kid: str) -> PublicKey:
        with DIRECTORY:
            if self._directory.waits == "suspends":
                return _of_type(PublicKey, await self._directory.find(issuer, kid))
            return _of_type(PublicKey, self._directory.find(issuer, kid))

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool | Coroutine[Any, Any, bool]:
        if self._suspends:
            return self._suspended_add(key, keep, issuer, issued_at)
        return super().add(key, keep, issuer=issuer, issued_at=issued_at)

    async def _suspended_add(self, key: bytes, keep: float, issuer: str, issued_at: float) -> bool:
        with STORE:
            return await self._add(key, keep, issuer=issuer, issued_at=issued_at) is True
