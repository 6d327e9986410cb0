"""What can be observed, as frozen records. None holds a token, a payload or a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signedmsg.errors import SignedMessageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccepted:
    """A message was verified for the first time and is about to be handed over."""

    issuer: str
    message_id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """A message was refused, or could not be decided.

    `issuer` is what the token claims when `proven` is false, and None when it could not be read.
    """

    error: SignedMessageError
    issuer: str | None
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFailed:
    """A handler raised on a verified message."""

    issuer: str
    message_id: str
    type: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRejected:
    """A handler rejected a message for good."""

    issuer: str
    message_id: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerDeferred:
    """A handler asked to be given a message later."""

    issuer: str
    message_id: str
    type: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDuplicate:
    """A message that was handled or queued before came again; its handler did not run."""

    issuer: str
    message_id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueued:
    """A verified message was stored, to be run by a worker."""

    issuer: str
    message_id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHandled:
    """A worker ran the handler of a queued message to its end."""

    issuer: str
    message_id: str
    type: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBuried:
    """A worker gave a queued message up; it stays in the store until it is redriven or removed."""

    issuer: str
    message_id: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFailed:
    """A worker could not use its store, or lost a claim; it goes on."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted:
    """A call was verified for the first time and is about to be handed over."""

    issuer: str
    jti: str
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused:
    """A call was refused, or could not be decided.

    `issuer` is what the token claims when `proven` is false, and None when it could not be read.
    """

    error: SignedMessageError
    issuer: str | None
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFetched:
    """An issuer's document was fetched over HTTP and taken in."""

    issuer: str
    keys: int
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryNotModified:
    """An issuer's document was asked for over HTTP and is still the one that is known."""

    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryChanged:
    """An issuer's keys were read and differ from what was known.

    `changed` kids now stand for other key material, and `refused` members cannot be used:
    both raise an alarm.
    """

    issuer: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    revoked: tuple[str, ...]
    refused: tuple[str, ...]
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFailed:
    """An issuer's keys could not be read; the last good set stays in use for a while."""

    issuer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryStale:
    """An issuer's keys are past their soft lifetime, cannot be read, and are used still."""

    issuer: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryExpired:
    """An issuer's keys are too old to be used and cannot be read: its messages are answered 503."""

    issuer: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodSuppressed:
    """Unknown kids of an issuer used up the reads they may cause; told once until the next read."""

    issuer: str


DirectoryEvent = (
    DirectoryFetched
    | DirectoryNotModified
    | DirectoryChanged
    | DirectoryFailed
    | DirectoryStale
    | DirectoryExpired
    | FloodSuppressed
)
InboxEvent = (
    HandlerRejected | HandlerDeferred | MessageDuplicate | MessageQueued | MessageHandled | MessageBuried | WorkerFailed
)
Event = MessageAccepted | MessageRefused | HandlerFailed | InboxEvent | CallAccepted | CallRefused | DirectoryEvent
