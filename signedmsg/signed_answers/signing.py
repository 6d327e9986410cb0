"""AnswerSigner and AsyncAnswerSigner: sign what a service answers; two faces over one flow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from signedmsg._core.answer_token import (
    MAX_ANSWER_TOKEN,
    RESPONSE_HEADER,
    Answered,
    ReceiptOutcome,
    RequestRef,
    reference_of,
)
from signedmsg._core.policy import DEFAULT_LIFETIME, SendPolicy
from signedmsg._flows.answers import sign_receipt, sign_response
from signedmsg._flows.run import run
from signedmsg._signer import (
    AsyncSignerPorts,
    BlockingSignerPorts,
    check_signer,
    never_blocks,
    shown_signer,
    suspends,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.call import Call
    from signedmsg._core.message import Message
    from signedmsg._flows.ports import AsyncSigner, Signer

S = TypeVar("S", bound="Signer | AsyncSigner")


class _AnswerSigner(Generic[S]):
    """What both faces share: as whom they sign, and the checks of the key."""

    def __init__(
        self, issuer: str, key: S, *, lifetime: int = DEFAULT_LIFETIME, clock: Callable[[], float] = time.time
    ) -> None:
        self.policy = SendPolicy(issuer, lifetime, MAX_ANSWER_TOKEN)
        check_signer(key, self.policy)
        self.signer = key
        self._connect(clock)

    def _connect(self, clock: Callable[[], float]) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.policy.issuer!r} {shown_signer(self.signer)}>"


class AnswerSigner(_AnswerSigner["Signer"]):
    """Signs this service's answers, freshly for each request; safe to use from many threads.

    Give it to an endpoint or a door as `answers`. One whose key is a `SigningKey` or a
    `KeyRing` never waits, and fits async endpoints too.

    Args:
        issuer: the `iss` of every answer: who this service is to those who call it.
        key: a `SigningKey`, a `KeyRing`, or another signer (a KMS) that signs while it is called.
        lifetime: for how long a caller that waits takes the answer, in whole seconds, at most 300.
        clock: the time in Unix seconds.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    def _connect(self, clock: Callable[[], float]) -> None:
        if suspends(self.signer):
            raise TypeError("key: an async signer needs AsyncAnswerSigner")
        self._ports = BlockingSignerPorts(self.signer, clock)

    @property
    def waits(self) -> Literal["never", "blocks"]:
        """`never` when its key is in this process, so that an async endpoint may use it too."""
        return "never" if never_blocks(self.signer) else "blocks"

    def sign_receipt(self, message: Message[Any] | RequestRef, outcome: ReceiptOutcome) -> str:
        """Return a receipt: say what became of a message that was verified here.

        Raises:
            SigningError: the key may not be used now, or its signer failed.
        """
        return run(sign_receipt(self._ports, self.policy, reference_of(message), outcome))

    def sign_response(
        self, call: Call[Any] | RequestRef, status: int, content_type: str | None, body: bytes
    ) -> tuple[str, str]:
        """Return the header field that binds this answer to a call that was verified here.

        Args:
            call: what the answer is to.
            status: the HTTP status, 200 to 599.
            content_type: the whole value of the Content-Type, or None when there is none.
            body: the content as it is sent, in full; empty in an answer to HEAD, and with 204 and 304.

        Raises:
            SigningError: the key may not be used now, its signer failed, or HTTP has no such answer.
        """
        answered = Answered(status, content_type, body)
        return RESPONSE_HEADER, run(sign_response(self._ports, self.policy, reference_of(call), answered))


class AsyncAnswerSigner(_AnswerSigner["Signer | AsyncSigner"]):
    """The async twin of `AnswerSigner`, for a key whose `sign` is a coroutine function; see there."""

    waits: Literal["suspends"] = "suspends"

    def _connect(self, clock: Callable[[], float]) -> None:
        if not never_blocks(self.signer):
            raise TypeError(
                f"key: {self.signer!r} may block the event loop; give it an `async def sign`, "
                'or say `waits = "never"` if it does no I/O'
            )
        self._ports = AsyncSignerPorts(self.signer, clock)

    async def sign_receipt(self, message: Message[Any] | RequestRef, outcome: ReceiptOutcome) -> str:
        """See `AnswerSigner.sign_receipt`."""
        return await sign_receipt(self._ports, self.policy, reference_of(message), outcome)

    async def sign_response(
        self, call: Call[Any] | RequestRef, status: int, content_type: str | None, body: bytes
    ) -> tuple[str, str]:
        """See `AnswerSigner.sign_response`."""
        answered = Answered(status, content_type, body)
        return RESPONSE_HEADER, await sign_response(self._ports, self.policy, reference_of(call), answered)


def check_answer_signer(answers: object, *, suspends: bool) -> None:
    """Refuse what signs no answers, or what this face cannot wait for; None is fine.

    Raises:
        TypeError: which of the two it is.
    """
    if answers is None or (suspends and isinstance(answers, AsyncAnswerSigner)):
        return
    if not isinstance(answers, AnswerSigner | AsyncAnswerSigner):
        raise TypeError(f"answers: expected an AnswerSigner, got {type(answers).__name__}")
    if suspends and answers.waits != "never":
        raise TypeError("answers: its signer may block the event loop; use an AsyncAnswerSigner")
    if not suspends and isinstance(answers, AsyncAnswerSigner):
        raise TypeError("answers: an AsyncAnswerSigner fits async endpoints alone")
