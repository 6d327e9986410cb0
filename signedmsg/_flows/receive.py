"""From a token to a message: the order of a verification, over ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from signedmsg._core.events import Event, MessageAccepted, MessageRefused
from signedmsg._core.facts import Facts
from signedmsg._core.straight import Proven
from signedmsg._core.verify import admit, authenticate, authorize, parse
from signedmsg.errors import ClaimError, SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from signedmsg._core.health import KeySnapshot
    from signedmsg._core.message import Authentic, Content, Message, Parsed
    from signedmsg._core.policy import ReceivePolicy, Trust
    from signedmsg._core.straight import Straight
    from signedmsg._jose.jwk import PublicKey

T = TypeVar("T")


class ReceivePorts(Protocol):
    """What a verification needs from the world."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        ...

    def trusted(self, issuer: str) -> Trust:
        """Return what the issuer may do, without I/O, or raise `UnknownIssuerError`."""
        ...

    def known_keys(self, issuer: str) -> KeySnapshot | None:
        """Return the keys that are held of an issuer, without I/O, or None where nobody can tell."""
        ...

    async def find(self, issuer: str, kid: str) -> PublicKey:
        """Return the issuer's key, or raise `UnknownKeyError` or `KeyDirectoryError`."""
        ...

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool | Awaitable[bool]:
        """See `ReplayCache.add`; awaited where the cache suspends."""
        ...

    def notice(self, event: Event, /) -> None:
        """Tell the observer; it never raises."""
        ...

    def listens(self) -> bool:
        """Say whether the observer wants to hear of what was accepted."""
        ...

    @property
    def straight(self) -> Straight | None:
        """The straight path, where the directory can say which keys are at hand."""
        ...


async def receive(
    ports: ReceivePorts,
    policy: ReceivePolicy,
    token: object,
    fit: Callable[[Content], T],
    *,
    received_at: float | None = None,
) -> Message[T]:
    """Verify a token and return its message; `fit` makes the payload of its content, or refuses it.

    With `received_at` it is verified as of then, and the replay cache is not asked: a
    transport that redelivers shows the same token again, and the inbox alone decides.

    Raises:
        VerificationError: the token was refused, and no store was written.
        UnavailableError: the directory or the replay cache could not answer.
    """
    parsed: Parsed | None = None
    authentic: Authentic | None = None
    now: float | None = None
    straight = ports.straight if received_at is None else None
    try:
        proven = None if straight is None else straight.prove(token)
        if isinstance(proven, Proven):
            authentic, trust, now = proven
        else:
            parsed = parse(token, policy)
            # 5. A map of configuration decides, so that an unknown issuer causes no I/O.
            trust = ports.trusted(parsed.issuer)
            # 6. Only ever within the issuer's own keys (RFC 8725 §3.8).
            key = await ports.find(parsed.issuer, parsed.compact.header.kid)
            now = ports.now() if received_at is None else received_at
            authentic = authenticate(parsed, key, policy, trust, now, tried=proven)
            if straight is not None:
                straight.learn(parsed, key, trust)
        authorize(authentic, policy, trust, now)
        # 13. Before the replay cache: a receiver that is mended can then accept the retry.
        data = fit(authentic.content)
        first_use: bool | Awaitable[bool] = received_at is not None or ports.add(
            authentic.replay_key, authentic.keep, issuer=authentic.issuer, issued_at=authentic.signed_by
        )
        if not isinstance(first_use, bool):
            first_use = await first_use
        message = admit(authentic, data, first_use=first_use)
    except SignedMessageError as error:
        known = Facts(policy=policy, knows=ports, parsed=parsed, token=token, now=now, proven=authentic is not None)
        _refused(ports, policy, error, known)
        raise
    if ports.listens():
        ports.notice(MessageAccepted(issuer=message.issuer, message_id=message.id, type=message.type))
    return message


def _refused(ports: ReceivePorts, policy: ReceivePolicy, error: SignedMessageError, known: Facts) -> None:
    """Add to the error what was known, and tell the observer."""
    if known.proven and known.parsed is None:
        # The straight path had no need of it.
        known.parsed = parse(known.token, policy)
    issuer = None if known.parsed is None else known.parsed.issuer
    # The rules of claims but that of `iss`, which found the key, are checked behind the signature.
    known.proven = known.proven or (issuer is not None and isinstance(error, ClaimError))
    error.explained_by(known)
    ports.notice(MessageRefused(error=error, issuer=issuer, proven=known.proven))
