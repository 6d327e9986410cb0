"""Sign a message, send it once, and say what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from signedmsg._core.answer_token import Receipt, RequestRef
from signedmsg._core.compose import Attempt, Frozen, compose, finish
from signedmsg._core.delivery import (
    NO_ANSWER,
    NOT_SENT,
    NoAnswerError,
    NotSentError,
    Reply,
    Verdict,
    judge,
    judge_receipt,
    judge_unsigned,
    receipt_in,
)
from signedmsg._core.policy import DEFAULT_LEEWAY, SendPolicy
from signedmsg._core.proof import s256_of
from signedmsg.errors import DeliveryError, SigningError, UnavailableError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from signedmsg._flows.ports import AsyncSigner, Signer


class Sent(NamedTuple):
    """A message that its receiver accepted.

    Attributes:
        message_id: the message's id, the same over all attempts.
        status: the HTTP status of the answer: 200–299, unless a receipt says that it was accepted.
        duplicate: the receiver had handled this message before.
        receipt: what the receiver signed about it, verified; None where none was asked for or given.
    """

    message_id: str
    status: int
    duplicate: bool
    receipt: Receipt | None = None


class Receipts(NamedTuple):
    """What a sender expects of an endpoint that signs receipts.

    Attributes:
        read: verifies a receipt of this endpoint for one request; it raises `VerificationError` or
            `UnavailableError`.
        required: an answer without one does not say that the message arrived, nor ends it.
    """

    read: Callable[[RequestRef, bytes], Awaitable[Receipt]]
    required: bool


class Signed(NamedTuple):
    """One attempt's token, and its id."""

    token: str
    jti: str


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

    def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes | Awaitable[bytes]:
        """Return this signer's signature, awaited where it suspends, or raise `SigningError`."""
        ...


class SendPorts(SignPorts, Protocol):
    """What sending needs from the world besides signing."""

    async def post(self, url: str, token: str) -> Reply | None:
        """Post the token once, following nothing; None, or `NoAnswerError` with a reason, when no answer came.

        `NotSentError` when nothing was sent.
        """
        ...


async def sign(ports: SignPorts, policy: SendPolicy, frozen: Frozen) -> str:
    """Return a token for one attempt to deliver the message.

    Raises:
        SigningError: the key may not be used now, or its signer failed.
    """
    signer, signing_input, _ = _composed(ports, policy, frozen)
    return await seal(ports, policy, signer, signing_input)


def _composed(ports: SignPorts, policy: SendPolicy, frozen: Frozen) -> tuple[Signer | AsyncSigner, bytes, str]:
    """Return who signs this attempt, what, and the token's id."""
    # Once an attempt: a key ring may rotate between the header and the signature.
    signer = ports.signer()
    now = ports.now()
    check_key_window(signer, policy, now)
    jti = ports.new_jti()
    return signer, compose(policy, frozen, Attempt(jti, now), alg=signer.alg, kid=signer.kid), jti


async def seal(ports: SignPorts, policy: SendPolicy, signer: Signer | AsyncSigner, signing_input: bytes) -> str:
    """Sign what was composed, and return the token."""
    signature = ports.sign(signer, signing_input)
    if not isinstance(signature, bytes):
        signature = await signature
    return finish(policy, signing_input, signature)


def check_key_window(signer: Signer | AsyncSigner, policy: SendPolicy, now: float) -> None:
    """Refuse a key outside its own times: the token must end, leeway included, before the key does."""
    not_before: int | None = getattr(signer, "not_before", None)
    expires: int | None = getattr(signer, "expires", None)
    if not_before is not None and now < not_before:
        raise SigningError(f"the key {signer.kid} is not valid for another {not_before - now:.0f} s")
    if expires is not None and now + policy.lifetime + DEFAULT_LEEWAY > expires:
        raise SigningError(f"the key {signer.kid} ends before the token would", hint="rotate to a newer key")


async def send(
    ports: SendPorts, policy: SendPolicy, frozen: Frozen, url: str, receipts: Receipts | None = None
) -> Sent:
    """Sign and post a message, once.

    Raises:
        SigningError: nothing was sent.
        DeliveryError: it was not accepted, or no answer came, or none that counts, or it was not sent.
    """
    signer, signing_input, jti = _composed(ports, policy, frozen)
    signed = Signed(await seal(ports, policy, signer, signing_input), jti)
    reply: Reply | None = None
    receipt: Receipt | None = None
    verdict, met = NO_ANSWER, ""
    try:
        reply = await ports.post(url, signed.token)
    except NoAnswerError as failure:
        met = f": {failure}"
    except NotSentError as failure:
        verdict, met = NOT_SENT, f": {failure}"
    if reply is not None:
        verdict, receipt = await _judge(reply, policy, frozen, signed, receipts)
    if verdict.outcome is not None or verdict.status is None:
        raise DeliveryError(
            f"message {frozen.id}: {_said(verdict)}{met}",
            outcome=verdict.outcome or "unknown",
            status=verdict.status,
            reply_code=verdict.code,
            retry_after=verdict.retry_after,
            attempts=int(verdict.sent),
            code="unsigned_answer" if verdict.unsigned else None,
        )
    return Sent(frozen.id, verdict.status, verdict.duplicate, receipt)


async def _judge(
    reply: Reply, policy: SendPolicy, frozen: Frozen, signed: Signed, receipts: Receipts | None
) -> tuple[Verdict, Receipt | None]:
    """Return what the reply means, and the verified receipt in it."""
    if receipts is None:
        return judge(reply), None
    token = receipt_in(reply)
    if token is None:
        return judge_unsigned(reply) if receipts.required else judge(reply), None
    s256 = s256_of(signed.token.rpartition(".")[0].encode("ascii"))
    request = RequestRef(policy.issuer, frozen.audience, signed.jti, s256, frozen.id)
    try:
        receipt = await receipts.read(request, token)
    except (VerificationError, UnavailableError) as error:
        # Required or not: a receipt that is wrong is somebody's mistake, or an attack.
        wrong = isinstance(error, VerificationError)
        raise DeliveryError(
            f"message {frozen.id}: answered {reply.status} with a receipt that does not count: {error}",
            status=reply.status,
            code="wrong_answer" if wrong else "unverified_answer",
            hint=error.hint,
        ) from error
    return judge_receipt(reply, receipt.outcome), replace(receipt, request_token=signed.token)


def _said(verdict: Verdict) -> str:
    if not verdict.sent:
        return "it was not sent"
    if verdict.status is None:
        return "no answer came; it may or may not have arrived"
    code = f" {verdict.code}" if verdict.code else ""
    signed = ", and did not sign for it" if verdict.unsigned else ""
    return f"answered {verdict.status}{code}{signed}"
