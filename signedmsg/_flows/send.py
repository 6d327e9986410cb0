"""Sign a message, send it once, and say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from signedmsg._core.compose import Attempt, Frozen, compose, finish
from signedmsg._core.delivery import NO_ANSWER, NoAnswerError, Reply, Verdict, judge
from signedmsg._core.policy import DEFAULT_LEEWAY, SendPolicy
from signedmsg.errors import DeliveryError, SigningError

if TYPE_CHECKING:
    from signedmsg._flows.ports import AsyncSigner, Signer


class Sent(NamedTuple):
    """A message that its receiver accepted.

    Attributes:
        message_id: the message's id, the same over all attempts.
        status: the HTTP status of the answer, 200–299.
        duplicate: the receiver had handled this message before.
    """

    message_id: str
    status: int
    duplicate: bool


class SignPorts(Protocol):
    """What signing needs from the world."""

    def signer(self) -> Signer | AsyncSigner:
        """Return who signs this attempt; its `alg` and `kid` do not change while it is in use.

        Raises:
            SigningError: nobody may sign now.
        """
        ...

    def now(self) -> float:
        """Return the time in Unix seconds."""
        ...

    def new_jti(self) -> str:
        """Return 128 fresh random bits as 22 base64url characters."""
        ...

    async def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes:
        """Return this signer's signature, or raise `SigningError`."""
        ...


class SendPorts(SignPorts, Protocol):
    """What sending needs from the world besides signing."""

    async def post(self, url: str, token: str) -> Reply | None:
        """Post the token once, following nothing; None, or `NoAnswerError` with a reason, when no answer came."""
        ...


async def sign(ports: SignPorts, policy: SendPolicy, frozen: Frozen) -> str:
    """Return a token for one attempt to deliver the message.

    Raises:
        SigningError: the key may not be used now, or its signer failed.
    """
    # Once an attempt: a key ring may rotate between the header and the signature.
    signer = ports.signer()
    now = ports.now()
    _check_key_window(signer, policy, now)
    signing_input = compose(policy, frozen, Attempt(ports.new_jti(), now), alg=signer.alg, kid=signer.kid)
    return finish(policy, signing_input, await ports.sign(signer, signing_input))


def _check_key_window(signer: Signer | AsyncSigner, policy: SendPolicy, now: float) -> None:
    """Refuse a key outside its own times: the token must end, leeway included, before the key does."""
    not_before: int | None = getattr(signer, "not_before", None)
    expires: int | None = getattr(signer, "expires", None)
    if not_before is not None and now < not_before:
        raise SigningError(f"the key {signer.kid} is not valid for another {not_before - now:.0f} s")
    if expires is not None and now + policy.lifetime + DEFAULT_LEEWAY > expires:
        raise SigningError(f"the key {signer.kid} ends before the token would", hint="rotate to a newer key")


async def send(ports: SendPorts, policy: SendPolicy, frozen: Frozen, url: str) -> Sent:
    """Sign and post a message, once.

    Raises:
        SigningError: nothing was sent.
        DeliveryError: it was not accepted, or no answer came.
    """
    token = await sign(ports, policy, frozen)
    met = ""
    try:
        reply = await ports.post(url, token)
    except NoAnswerError as failure:
        reply, met = None, f": {failure}"
    verdict = judge(reply) if reply is not None else NO_ANSWER
    if verdict.outcome is not None or verdict.status is None:
        raise DeliveryError(
            f"message {frozen.id}: {_said(verdict)}{met}",
            outcome=verdict.outcome or "unknown",
            status=verdict.status,
            reply_code=verdict.code,
            retry_after=verdict.retry_after,
        )
    return Sent(frozen.id, verdict.status, verdict.duplicate)


def _said(verdict: Verdict) -> str:
    if verdict.status is None:
        return "no answer came; it may or may not have arrived"
    code = f" {verdict.code}" if verdict.code else ""
    return f"answered {verdict.status}{code}"
