"""Error or outcome -> status, headers and body (RFC 9457), one table for every door.

Answers are made from an error's public part, never from its text, so that nothing of
a token, no key id and no accepted audience can leak into them.
"""

from __future__ import annotations

import json
import math
from typing import Final, NamedTuple

from signedmsg.errors import PayloadError, QuotaError, RejectedError, SignedMessageError, UnavailableError

PROBLEM_BASE: Final = "https://signedmsg.example/errors#"
PROBLEM_TYPE: Final = "application/problem+json"
ENVELOPE_MEDIA_TYPE: Final = "application/vnd.signedmsg+jwt"
DUPLICATE_HEADER: Final = "SignedMsg-Duplicate"
CHALLENGE: Final = "SignedMsg"

# public code -> status and title. Titles are constant: same failure, same bytes.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "credentials_missing": (400, "The request holds no token"),
    "malformed": (400, "The body is not a token of this profile"),
    "too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The media type or content coding is not accepted"),
    "unsupported": (400, "This kind, version or algorithm of token is not accepted"),
    "verification_failed": (401, "The token could not be verified"),
    "expired": (401, "The token has expired"),
    "not_yet_valid": (401, "The token is not valid yet"),
    "lifetime": (401, "The token lives too long"),
    "claim": (401, "A claim breaks a rule"),
    "audience": (401, "The token is for another audience"),
    "not_allowed": (403, "The issuer may not send this here"),
    "method_not_allowed": (405, "Only POST is accepted"),
    "replayed": (409, "The token was accepted before"),
    "in_progress": (409, "The same message is being handled now"),
    "message_id_conflict": (422, "The message id was used for other content"),
    "rejected": (422, "The message was rejected for good"),
    "payload": (422, "The data does not fit"),
    "unknown_type": (422, "No handler takes this message type"),
    "too_late": (422, "The message's deadline has passed"),
    "quota": (429, "The issuer has sent too many messages"),
    "deferred": (503, "The message is to be sent again later"),
    "handler_error": (500, "The message could not be processed"),
    "unavailable": (503, "The message could not be checked now"),
}
# With `now` an honest sender whose clock is off can learn by how much.
_TELLS_TIME: Final = frozenset({"expired", "not_yet_valid", "lifetime"})


class Answer(NamedTuple):
    """An HTTP answer, whatever the framework."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer_outcome(status: int, *, duplicate: bool) -> Answer:
    """Return the answer for a message that was handled or queued, now or before."""
    headers = (("Cache-Control", "no-store"),)
    return Answer(status, (*headers, (DUPLICATE_HEADER, "1")) if duplicate else headers, b"")


def answer_error(error: SignedMessageError, now: float) -> Answer:
    """Return the answer for a refusal, an outage or a failed handler."""
    code = error.public_code
    if code not in PROBLEMS:
        # Of somebody's own subclass: nothing is known of it, so nothing is said.
        code = "unavailable"
    extra: dict[str, object] = {}
    if code in _TELLS_TIME:
        extra["now"] = int(now)
    if isinstance(error, RejectedError):
        extra["reason"] = error.reason
    if isinstance(error, PayloadError):
        extra["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]
    retry_after = error.retry_after if isinstance(error, (UnavailableError, QuotaError)) else None
    return answer_code(code, extra, retry_after=retry_after)


def answer_code(code: str, extra: dict[str, object] | None = None, *, retry_after: float | None = None) -> Answer:
    """Return the problem document of a public code."""
    status, title = PROBLEMS[code]
    problem = {"type": PROBLEM_BASE + code, "title": title, "status": status, "code": code, **(extra or {})}
    headers = [("Content-Type", PROBLEM_TYPE), ("Cache-Control", "no-store")]
    if status == 401:
        headers.append(("WWW-Authenticate", CHALLENGE))
    if status == 405:
        headers.append(("Allow", "POST"))
    if retry_after is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(retry_after)))))
    return Answer(status, tuple(headers), json.dumps(problem, separators=(",", ":")).encode())
