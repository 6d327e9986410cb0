"""Which answers of an endpoint become receipts, and how one looks on the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from signedmsg._core.answer_token import RECEIPT_MEDIA_TYPE, RequestRef, reference_of
from signedmsg._core.answers import Answer
from signedmsg.errors import ConflictError, RejectedError, SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signedmsg._core.answer_token import ReceiptOutcome
    from signedmsg._core.message import Message

# RFC 9110 §12.4.2: a weight of nought says "not this".
_NOT_WANTED: Final = re.compile(r"\s*;\s*q=0(\.0{0,3})?\s*", re.IGNORECASE)


class Due(NamedTuple):
    """A receipt to be signed: for which request, and what it says."""

    request: RequestRef
    outcome: ReceiptOutcome


def wants_receipt(accept: Sequence[str]) -> bool:
    """Return whether an `Accept` field asks for a receipt by name; `*/*` does not."""
    for one in ",".join(accept).split(","):
        media_type, semicolon, parameters = one.partition(";")
        if media_type.strip().lower() == RECEIPT_MEDIA_TYPE:
            return not _NOT_WANTED.fullmatch(semicolon + parameters)
    return False


class Handled(Protocol):
    """What a receiver says of a message that it handled; see `Outcome`."""

    @property
    def message(self) -> Message[object]: ...
    @property
    def duplicate(self) -> bool: ...


def due_for(handled: Handled) -> Due:
    """Return the receipt of a message that was handled."""
    return Due(reference_of(handled.message), "duplicate" if handled.duplicate else "accepted")


def due_for_error(error: Exception) -> Due | None:
    """Return the receipt of a message that was not handled, or None where nothing may be signed.

    Only what was raised behind the replay cache is signed for. Whoever replays a token of
    another would else get signed refusals about it, and could show one of them to the sender
    in place of the first answer, which said that the message was accepted.
    """
    if not isinstance(error, SignedMessageError) or not isinstance(error.request, RequestRef):
        return None
    return Due(error.request, "rejected" if isinstance(error, (ConflictError, RejectedError)) else "deferred")


def with_receipt(answer: Answer, receipt: str) -> Answer:
    """Return the answer with the receipt as its body, in the place of whatever it had."""
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-type"]
    # Content has no place in a 204 (RFC 9110 §15.3.5).
    status = 200 if answer.status == 204 else answer.status
    return Answer(status, (("Content-Type", RECEIPT_MEDIA_TYPE), *headers), receipt.encode("ascii"))
