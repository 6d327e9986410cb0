"""What each answer means to a sender.

A verdict that ends a message counts only when it is a signedmsg receiver's own
problem document: a proxy's 400 must not kill a message. Where a signed answer is required,
nothing else ends one. All else may be tried again until the message's deadline.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.answer_token import RECEIPT_MEDIA_TYPE
from signedmsg._core.answers import DUPLICATE_HEADER, PROBLEM_BASE, PROBLEM_TYPE, PROBLEMS
from signedmsg._jose import strict_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.answer_token import ReceiptOutcome
    from signedmsg.errors import DeliveryOutcome

# What the receiver's own codes mean; every other answer is judged by its status alone.
_BY_CODE: Final[dict[str, DeliveryOutcome]] = {
    "replayed": "sign_anew",
    "expired": "sign_anew",
    "not_yet_valid": "sign_anew",
    "unavailable": "retry",
    "in_progress": "retry",
    "deferred": "retry",
    "quota": "retry",
    "handler_error": "retry",
    "verification_failed": "refused",
    "lifetime": "refused",
    "claim": "refused",
    "audience": "refused",
    "not_allowed": "refused",
    "credentials_missing": "dead",
    "malformed": "dead",
    "too_large": "dead",
    "unsupported_media_type": "dead",
    "unsupported": "dead",
    "payload": "dead",
    "message_id_conflict": "dead",
    "rejected": "dead",
    "unknown_type": "dead",
    "too_late": "dead",
}
# The message is given up, at once or after a bounded number of attempts.
_ENDS: Final[frozenset[DeliveryOutcome]] = frozenset({"dead", "refused"})
_RETRY_AFTER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_MIN_RETRY_AFTER: Final = 1.0
_MAX_RETRY_AFTER: Final = 3600.0


class Reply(NamedTuple):
    """An HTTP answer as the sender got it; header names in lower case, the body capped."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Verdict(NamedTuple):
    """What one attempt came to; `outcome` is None when the message was delivered.

    The other members are those of `DeliveryError`; `duplicate` says that the receiver
    had handled this message before, `unsigned` that it would mean more if it were signed,
    `sent` that the attempt was made.
    """

    outcome: DeliveryOutcome | None
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    duplicate: bool = False
    unsigned: bool = False
    sent: bool = True


NO_ANSWER: Final = Verdict("unknown")
NOT_SENT: Final = Verdict("retry", sent=False)


class NoAnswerError(Exception):
    """No complete answer came; the text says what the transport met with. It holds no request, hence no token."""


class NotSentError(Exception):
    """The transport gave up before it sent anything; the text says why. Like `NoAnswerError` it holds no request."""


def judge(reply: Reply) -> Verdict:
    """Return what a reply that nobody signed means for the message that was sent."""
    if 200 <= reply.status < 300:
        duplicate = reply.headers.get(DUPLICATE_HEADER.lower()) == "1"
        return Verdict(None, reply.status, duplicate=duplicate)
    code = _own_code(reply)
    outcome = _BY_CODE.get(code, "retry") if code else "retry"
    return Verdict(outcome, reply.status, code, _retry_after(reply.headers.get("retry-after")))


def judge_unsigned(reply: Reply) -> Verdict:
    """Return what a reply means where only a signed one may say that a message arrived, or end it.

    Whoever is on the way can write a 204, and a problem document of ours as well.
    """
    verdict = judge(reply)
    if verdict.outcome is None:
        return verdict._replace(outcome="unknown", duplicate=False, unsigned=True)
    return verdict._replace(outcome="retry", unsigned=True) if verdict.outcome in _ENDS else verdict


def judge_receipt(reply: Reply, outcome: ReceiptOutcome) -> Verdict:
    """Return what a verified receipt means: the receiver's word, whatever the status says, which nobody signed."""
    if outcome in ("accepted", "duplicate"):
        return Verdict(None, reply.status, duplicate=outcome == "duplicate")
    retry_after = _retry_after(reply.headers.get("retry-after"))
    return Verdict("dead" if outcome == "rejected" else "retry", reply.status, outcome, retry_after)


def receipt_in(reply: Reply) -> bytes | None:
    """Return the receipt that is the body of a reply, unverified, or None when it is something else."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return reply.body if media_type == RECEIPT_MEDIA_TYPE else None


def _own_code(reply: Reply) -> str | None:
    """Return the code of a receiver's problem document, or None when the answer is somebody else's."""
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM_TYPE:
        return None
    try:
        problem = strict_json.loads_object(reply.body)
    except ValueError:
        return None
    code = problem.get("code")
    known = isinstance(code, str) and code in PROBLEMS and problem.get("type") == PROBLEM_BASE + code
    return code if known and isinstance(code, str) else None


def _retry_after(value: str | None) -> float | None:
    if value is None or not _RETRY_AFTER.fullmatch(value):
        return None
    return min(max(float(value), _MIN_RETRY_AFTER), _MAX_RETRY_AFTER)
