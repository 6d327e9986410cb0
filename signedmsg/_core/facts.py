"""What was known when something was refused: enough to work out later, if anybody asks, what differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.call import AuthenticCall, Request
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.health import KeySnapshot
    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import ReceivePolicy, Trust
    from signedmsg.errors import SignedMessageError


class Knows(Protocol):
    """What is asked of a directory, without I/O, to explain a refusal."""

    def trusted(self, issuer: str) -> Trust:
        """Return what the issuer may do, or raise `UnknownIssuerError`."""
        ...

    def known_keys(self, issuer: str) -> KeySnapshot | None:
        """Return the keys that are held of an issuer, or None where nobody can tell."""
        ...


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Facts:
    """What was known of a message or a call when it was refused; each part as far as it had come.

    It holds the token and the body, and so has no `repr`, and is in no pickle.

    Attributes:
        policy: what was checked; a `CallPolicy` for a call.
        knows: the directory.
        parsed: the token, once its shape held; its claims are the issuer's words only if `proven`.
        token: the token as it came.
        now: the receiver's time, once it was needed.
        proven: whether the signature held.
        request: a call's head, once its shape held.
        authentic: a call's verified head, once its body was read.
        body: that body.
    """

    policy: ReceivePolicy | CallPolicy
    knows: Knows
    parsed: Parsed | None = None
    token: object = None
    now: float | None = None
    proven: bool = False
    request: Request | None = None
    authentic: AuthenticCall | None = None
    body: object = None

    def explain(self, error: SignedMessageError, /) -> str:
        """Return what differs, in sentences."""
        # Most refusals are never explained, so what explains them is loaded by the first that is.
        from signedmsg._core.explain import explain

        return explain(error, self)

    def claims(self) -> Mapping[str, object]:
        """Return the claims that the issuer signed; none of a token that nobody has proven."""
        from signedmsg._core.proof import claims_of
        from signedmsg.errors import MalformedTokenError

        if self.parsed is None or not self.proven:
            return {}
        try:
            return claims_of(self.parsed.compact.payload)
        except MalformedTokenError:
            return {}
