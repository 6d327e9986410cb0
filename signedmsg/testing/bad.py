"""The ways in which a token can be bad, for tests that a service refuses each of them."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._jose import base64url
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    from signedmsg._flows.ports import Signer

_MINUTES: Final = 600.0


class Bad(StrEnum):
    """One way to be wrong: each is refused, and `code` and `status` say how.

    ```python
    @pytest.mark.parametrize("bad", Bad)
    def test_bad_orders_are_refused(bad, client, signedmsg_peer):
        request = signedmsg_peer.call("POST", URL, json={"number": 42}, bad=bad)
        answers = [client.request(**request.for_httpx()) for _ in range(bad.times)]
        assert answers[-1].status_code == bad.status
    ```
    """

    EXPIRED = "expired"
    """It ended minutes ago."""
    EARLY = "early"
    """It begins minutes from now: the sender's clock is ahead."""
    MISDIRECTED = "misdirected"
    """It was signed for somebody else."""
    UNKNOWN_ISSUER = "unknown_issuer"
    """Nobody knows who signed it."""
    UNKNOWN_KEY = "unknown_key"
    """It says that it is of the peer, and a stranger's key signed it."""
    TAMPERED = "tampered"
    """A claim was changed after it was signed."""
    REPLAYED = "replayed"
    """It is good, and refused when it comes again: present it `times` times."""

    @property
    def code(self) -> str:
        """The `code` of the receiver's error."""
        return _CODES[self]

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return 409 if self is Bad.REPLAYED else 401

    @property
    def times(self) -> int:
        """How often to present it: the last time it is refused."""
        return 2 if self is Bad.REPLAYED else 1


_CODES: Final = {
    Bad.EXPIRED: "expired",
    Bad.EARLY: "not_yet_valid",
    Bad.MISDIRECTED: "audience",
    Bad.UNKNOWN_ISSUER: "unknown_issuer",
    Bad.UNKNOWN_KEY: "unknown_key",
    Bad.TAMPERED: "invalid_signature",
    Bad.REPLAYED: "replayed",
}


class Signing(NamedTuple):
    """What a token is signed with."""

    issuer: str
    key: Signer
    now: float
    audience: str

    def as_bad_as(self, bad: Bad | None) -> Signing:
        """Return what a bad token is signed with."""
        match bad:
            case Bad.EXPIRED:
                return self._replace(now=self.now - _MINUTES)
            case Bad.EARLY:
                return self._replace(now=self.now + _MINUTES)
            case Bad.MISDIRECTED:
                return self._replace(audience="https://elsewhere.example/")
            case Bad.UNKNOWN_ISSUER:
                return self._replace(issuer="https://stranger.example")
            case Bad.UNKNOWN_KEY:
                return self._replace(key=SigningKey.generate())
            case _:
                return self


def tampered(token: str) -> str:
    """Return the token with another `jti` under the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64url.decode(payload))
    claims["jti"] = claims["jti"][::-1] + "x"
    return ".".join((header, base64url.encode(json.dumps(claims).encode()), signature))
