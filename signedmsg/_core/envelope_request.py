"""What an HTTP request that carries an envelope must look like, before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.answers import ENVELOPE_MEDIA_TYPE, Answer, answer_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signedmsg._core.policy import ReceivePolicy

# RFC 7519 §10.3.1: what others label a plainer token.
_PLAIN_MEDIA_TYPE = "application/jwt"


def refuse_request(
    policy: ReceivePolicy,
    *,
    method: str,
    content_types: Sequence[str],
    content_encodings: Sequence[str],
    content_length: int | None,
) -> Answer | None:
    """Return the answer that refuses a request for its head alone, or None to read its body."""
    if method != "POST":
        return answer_code("method_not_allowed")
    accepted = _PLAIN_MEDIA_TYPE if policy.tokens else ENVELOPE_MEDIA_TYPE
    # Of two content types nobody knows which one another layer believed.
    if len(content_types) != 1 or not _is_of(content_types[0], accepted):
        return answer_code("unsupported_media_type")
    # A coding other than identity could unfold into far more than the cap.
    if any(coding.strip().lower() not in ("", "identity") for coding in content_encodings):
        return answer_code("unsupported_media_type")
    if content_length is not None and content_length > policy.max_size:
        return answer_code("too_large")
    return None


def _is_of(content_type: str, accepted: str) -> bool:
    return content_type == accepted or content_type.partition(";")[0].strip().lower() == accepted


def parse_content_length(values: Sequence[str]) -> int | None:
    """Return the one Content-Length given, or None; what a server let through as nonsense counts as none."""
    if len(values) == 1 and values[0].isascii() and values[0].isdigit() and len(values[0]) < 20:
        return int(values[0])
    return None
