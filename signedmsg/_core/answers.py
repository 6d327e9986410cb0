"""Error or outcome -> status, headers and body (RFC 9457), one table for every door.

Answers are made from an error's public part, never from its text, so that nothing of
a token, no key id and no accepted audience can leak into them.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
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
# What a call is answered otherwise. Each failed proof is a 401, and so says how to authenticate (RFC 9110 §15.5.2).
CALL_PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    **PROBLEMS,
    "credentials_missing": (401, "The request has no token of the expected scheme"),
    "malformed": (400, "The request, or its token, is not of the form that is accepted"),
    "unsupported": (401, "This kind or algorithm of token is not accepted"),
    "binding": (401, "The request is not the one that was signed"),
    "not_allowed": (403, "The issuer may not make this call"),
    "quota": (429, "The issuer has made too many calls"),
    "unsupported_media_type": (415, "The media type or content coding is not accepted here"),
    "unavailable": (503, "The call could not be checked now"),
}
# With `now` an honest sender whose clock is off can learn by how much.
_TELLS_TIME: Final = frozenset({"expired", "not_yet_valid", "lifetime"})


class Answer(NamedTuple):
    """An HTTP answer, whatever the framework."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@lru_cache(maxsize=64)
def answer_outcome(status: int, *, duplicate: bool) -> Answer:
    """Return the answer for a message that was handled or queued, now or before."""
    headers = (("Cache-Control", "no-store"),)
    return Answer(status, (*headers, (DUPLICATE_HEADER, "1")) if duplicate else headers, b"")


def answer_error(error: SignedMessageError, now: float) -> Answer:
    """Return the answer for a refusal, an outage or a failed handler."""
    code = _public(error, PROBLEMS)
    return answer_code(code, _extra(error, code, now), retry_after=_retry_after(error))


def answer_call_error(error: SignedMessageError, now: float, scheme: str) -> Answer:
    """Return the answer for a call that was refused or could not be decided; `scheme` is the receiver's."""
    code = _public(error, CALL_PROBLEMS)
    status, title = CALL_PROBLEMS[code]
    # Two things can be too large, and each has a status of its own (RFC 6585 §5).
    if code == "too_large" and error.code != "body_too_large":
        status, title = 431, "The token is too large"
    challenge = scheme if code == "credentials_missing" else _challenge(scheme, title)
    extra = _extra(error, code, now)
    return _problem(code, status, title, extra=extra, retry_after=_retry_after(error), challenge=challenge)


def _challenge(scheme: str, title: str) -> str:
    """Return a challenge (RFC 6750 §3); titles have none of the characters that may not stand in it."""
    return f'{scheme} error="invalid_token", error_description="{title}"'


def _public(error: SignedMessageError, problems: dict[str, tuple[int, str]]) -> str:
    # Of somebody's own subclass nothing is known, so nothing is said.
    return error.public_code if error.public_code in problems else "unavailable"


def _extra(error: SignedMessageError, code: str, now: float) -> dict[str, object]:
    if code in _TELLS_TIME:
        return {"now": int(now)}
    if isinstance(error, RejectedError):
        return {"reason": error.reason}
    if isinstance(error, PayloadError) and code == PayloadError.code:
        return {"errors": [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]}
    return {}


def _retry_after(error: SignedMessageError) -> float | None:
    return error.retry_after if isinstance(error, (UnavailableError, QuotaError)) else None


def answer_code(code: str, extra: dict[str, object] | None = None, *, retry_after: float | None = None) -> Answer:
    """Return the problem document of a public code."""
    status, title = PROBLEMS[code]
    return _problem(code, status, title, extra=extra or {}, retry_after=retry_after, challenge=CHALLENGE)


def _problem(
    code: str, status: int, title: str, *, extra: dict[str, object], retry_after: float | None, challenge: str
) -> Answer:
    problem = {"type": PROBLEM_BASE + code, "title": title, "status": status, "code": code, **extra}
    headers = [("Content-Type", PROBLEM_TYPE), ("Cache-Control", "no-store")]
    if status == 401:
        headers.append(("WWW-Authenticate", challenge))
    if status == 405:
        headers.append(("Allow", "POST"))
    if retry_after is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(retry_after)))))
    return Answer(status, tuple(headers), json.dumps(problem, separators=(",", ":")).encode())
