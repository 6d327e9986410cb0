"""From the body of an envelope's request to its answer, signed where that is asked for: for doors of both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.answers import Answer, answer_error, answer_outcome
from signedmsg._core.receipts import due_for, due_for_error, wants_receipt, with_receipt
from signedmsg.errors import SignedMessageError, SigningError
from signedmsg.observe import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signedmsg.receiver import AsyncReceiver, Receiver
    from signedmsg.router import Router
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner


def answer_envelope(
    receiver: Receiver, router: Router, answers: AnswerSigner | None, body: bytes, accept: Sequence[str]
) -> Answer:
    """Handle the envelope of a request whose head was found good, and return the answer."""
    try:
        outcome = receiver.handle(body, router)
    except SignedMessageError as error:
        answer, due = answer_error(error, receiver.clock()), due_for_error(error)
    else:
        answer = answer_outcome(outcome.status, duplicate=outcome.duplicate)
        if answers is None:
            return answer
        due = due_for(outcome)
    if answers is None or due is None or not wants_receipt(accept):
        return answer
    try:
        return with_receipt(answer, answers.sign_receipt(*due))
    except SigningError as error:
        return _unsigned(answer, error)


async def answer_envelope_async(
    receiver: AsyncReceiver,
    router: Router,
    answers: AnswerSigner | AsyncAnswerSigner | None,
    body: bytes,
    accept: Sequence[str],
) -> Answer:
    """See `answer_envelope`."""
    try:
        outcome = await receiver.handle(body, router)
    except SignedMessageError as error:
        answer, due = answer_error(error, receiver.clock()), due_for_error(error)
    else:
        answer = answer_outcome(outcome.status, duplicate=outcome.duplicate)
        if answers is None:
            return answer
        due = due_for(outcome)
    if answers is None or due is None or not wants_receipt(accept):
        return answer
    try:
        receipt = answers.sign_receipt(*due)
        return with_receipt(answer, receipt if isinstance(receipt, str) else await receipt)
    except SigningError as error:
        return _unsigned(answer, error)


def _unsigned(answer: Answer, error: SigningError) -> Answer:
    # The message has been handled, whether or not anybody can sign for it now.
    logger.error("a receipt could not be signed: %s", error)
    return answer
