"""From a verified message to what an inbox keeps of it: content digest, deadline, and the stored form of a queue."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg._core.answer_token import reference_of
from signedmsg._core.inbox import Arrival
from signedmsg._core.message import Content, make_message
from signedmsg._core.policy import REPLAY_MARGIN
from signedmsg._jose import strict_json
from signedmsg._jose.canonical import canonical
from signedmsg.errors import ClaimError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.message import Message
    from signedmsg._jose.strict_json import JSONValue

DEFAULT_RETENTION: Final = 7 * 86_400.0
_STORED: Final = 1


def check_wanted(content: Content, retention: float, leeway: float, now: float) -> None:
    """Refuse what the inbox cannot tell from a message that it has forgotten.

    Raises:
        ClaimError: `too_late`, past the message's deadline or the inbox's retention; or its
            `time`, from which the retention counts, is in the future.
    """
    if content.time.timestamp() > now + leeway:
        raise ClaimError(claim="msg.time", reason="it is in the future")
    if now >= _deadline(content, retention) + leeway:
        raise ClaimError(claim="msg.time", reason="the message is older than the inbox remembers", code="too_late")


def _deadline(content: Content, retention: float) -> float:
    end = content.time.timestamp() + retention
    return end if content.until is None else min(end, float(content.until))


def arrival(message: Message[object], content: Content, retention: float, leeway: float) -> Arrival:
    """Return what the inbox is told of a message."""
    return Arrival(
        issuer=message.issuer,
        message_id=message.id,
        digest=content_digest(content.source, message.claims),
        # The receivers of one inbox may differ in their leeway, and their clocks from the store's.
        keep_until=_deadline(content, retention) + leeway + REPLAY_MARGIN,
        type=message.type,
    )


def content_digest(source: JSONValue | bytes, claims: Mapping[str, JSONValue]) -> bytes:
    """Return 32 bytes that stand for a message's content, however it was written (RFC 8785)."""
    if isinstance(source, bytes):
        source = strict_json.loads_object(source)["msg"]
    return sha256(canonical([source, dict(claims)])).digest()


def store_message(message: Message[object], content: Content) -> bytes:
    """Write a verified message down for a worker. It is trusted again because the store is."""
    return strict_json.dumps(
        {
            "v": _STORED,
            "iss": message.issuer,
            "aud": message.audience,
            "jti": message.jti,
            "iat": message.issued_at,
            "exp": message.expires_at,
            "s256": reference_of(message).s256,
            "id": content.id,
            "type": content.type,
            "time": content.time.isoformat(),
            "subject": content.subject,
            "account": content.account,
            "data": content.data,
            "claims": dict(message.claims),
        }
    )


class Stored(NamedTuple):
    """A message as it came out of a queue; `data` is JSON still."""

    issuer: str
    audience: str
    jti: str
    issued_at: int
    expires_at: int
    content: Content
    public_claims: Mapping[str, JSONValue]
    signed: str

    def message(self, data: object) -> Message[object]:
        """Make the message again, with its data as the handler takes it."""
        return make_message(self, data)


def restore_message(body: bytes) -> Stored:
    """Read what `store_message` wrote.

    Raises:
        ValueError: it is something else, of a later version perhaps.
    """
    try:
        read: dict[str, Any] = strict_json.loads_object(body)
        if read["v"] != _STORED:
            raise ValueError("written by another version")
        content = Content(
            id=read["id"],
            type=read["type"],
            time=datetime.fromisoformat(read["time"]).astimezone(UTC),
            resolution=1.0,
            subject=read["subject"],
            account=read["account"],
            data=read["data"],
            until=None,
            source=None,
        )
        return Stored(
            read["iss"], read["aud"], read["jti"], read["iat"], read["exp"], content, read["claims"], read["s256"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not a stored message") from error
