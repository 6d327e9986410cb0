"""How a verifier of answers asks for keys and for the time, on either face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from signedmsg._core.clock import check_clock, read_clock
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import KeyDirectoryError, UnavailableError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.policy import Trust
    from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory


class VerifyPorts:
    """The directory and the clock; whatever somebody's own directory raises is an outage."""

    def __init__(self, directory: KeyDirectory | AsyncKeyDirectory, clock: Callable[[], float]) -> None:
        check_clock(clock)
        self._directory = directory
        self._clock = clock

    @property
    def waits(self) -> Literal["never", "blocks"]:
        return "never" if self._directory.waits == "never" else "blocks"

    def now(self) -> float:
        now = read_clock(self._clock)
        if now is None:
            raise UnavailableError("the clock does not say what time it is")
        return now

    def trusted(self, issuer: str) -> Trust:
        return self._directory.trusted(issuer)

    async def find(self, issuer: str, kid: str) -> PublicKey:
        try:
            found = self._directory.find(issuer, kid)
            if not isinstance(found, PublicKey):
                found = await found
        except (VerificationError, UnavailableError):
            raise
        except Exception as error:
            raise KeyDirectoryError(f"it raised {type(error).__name__}") from error
        if not isinstance(found, PublicKey):
            raise KeyDirectoryError(f"it returned a {type(found).__name__}")
        return found
