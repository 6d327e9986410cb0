"""Events to logging: what the SDK says when nobody else listens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from signedmsg._core.events import (
    CallAccepted,
    CallRefused,
    DirectoryChanged,
    DirectoryEvent,
    DirectoryExpired,
    DirectoryFailed,
    DirectoryFetched,
    DirectoryNotModified,
    DirectoryStale,
    Event,
    FloodSuppressed,
    HandlerDeferred,
    HandlerFailed,
    HandlerRejected,
    InboxEvent,
    MessageAccepted,
    MessageBuried,
    MessageDuplicate,
    MessageHandled,
    MessageQueued,
    MessageRefused,
    WorkerFailed,
)
from signedmsg.errors import DeferredError, InProgressError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("signedmsg")

__all__ = [
    "CallAccepted",
    "CallRefused",
    "DirectoryChanged",
    "DirectoryEvent",
    "DirectoryExpired",
    "DirectoryFailed",
    "DirectoryFetched",
    "DirectoryNotModified",
    "DirectoryStale",
    "Event",
    "FloodSuppressed",
    "HandlerDeferred",
    "HandlerFailed",
    "HandlerRejected",
    "InboxEvent",
    "MessageAccepted",
    "MessageBuried",
    "MessageDuplicate",
    "MessageHandled",
    "MessageQueued",
    "MessageRefused",
    "WorkerFailed",
    "log_event",
    "quietly",
]


def log_event(event: Event) -> None:
    """Write an event to the logger `signedmsg`: refusals at INFO, what needs a person at WARNING or ERROR."""
    match event:
        case MessageAccepted():
            logger.debug("accepted %s %r from %s", event.type, event.message_id, event.issuer)
        case CallAccepted():
            logger.debug("accepted %s %r from %s", event.method, event.path, event.issuer)
        case MessageRefused(error=InProgressError() | DeferredError()):
            logger.info("not now (%s)%s", event.error.code, _who(event))
        case MessageRefused(error=UnavailableError() as error) | CallRefused(error=UnavailableError() as error):
            logger.error("undecided (%s): %s", error.code, error)
        case MessageRefused() | CallRefused():
            # An explanation is worked out only for a log that takes it.
            if logger.isEnabledFor(logging.INFO):
                logger.info("refused (%s)%s: %s", event.error.code, _who(event), event.error.explanation)
        case HandlerFailed():
            logger.error("handler of %s failed on %r", event.type, event.message_id, exc_info=event.error)
        case (
            HandlerRejected()
            | HandlerDeferred()
            | MessageDuplicate()
            | MessageQueued()
            | MessageHandled()
            | MessageBuried()
            | WorkerFailed()
        ):
            _log_inbox(event)
        case _:
            _log_directory(event)


def _log_inbox(event: InboxEvent) -> None:
    match event:
        case HandlerRejected():
            logger.warning("handler of %s rejected %r: %s", event.type, event.message_id, event.reason)
        case HandlerDeferred():
            logger.info("handler of %s wants %r again in %.0f s", event.type, event.message_id, event.seconds)
        case MessageDuplicate():
            logger.debug("%s %r from %s was handled before", event.type, event.message_id, event.issuer)
        case MessageQueued():
            logger.debug("queued %s %r from %s", event.type, event.message_id, event.issuer)
        case MessageHandled():
            logger.debug("handled %s %r, attempt %d", event.type, event.message_id, event.attempt)
        case MessageBuried():
            logger.error(
                "gave up on %r from %s at attempt %d: %s",
                event.message_id,
                event.issuer,
                event.attempts,
                event.reason,
            )
        case WorkerFailed():
            logger.error("worker: %s", event.error)


def _log_directory(event: DirectoryEvent) -> None:
    match event:
        case DirectoryFetched():
            logger.debug("keys of %s: fetched %d", event.issuer, event.keys)
        case DirectoryNotModified():
            logger.debug("keys of %s: not modified", event.issuer)
        case DirectoryChanged():
            _log_change(event)
        case DirectoryFailed():
            logger.warning("keys of %s could not be read: %s", event.issuer, event.reason)
        case DirectoryStale():
            logger.warning("keys of %s are stale: last read %.0f s ago, still used", event.issuer, event.age)
        case DirectoryExpired():
            logger.error("keys of %s are used no more: last read %.0f s ago", event.issuer, event.age)
        case FloodSuppressed():
            logger.warning("keys of %s: unknown kids are not looked up for a while", event.issuer)


def _log_change(event: DirectoryChanged) -> None:
    level = logging.WARNING if event.refused else logging.INFO
    parts = {"added": event.added, "removed": event.removed, "revoked": event.revoked, "refused": event.refused}
    text = "; ".join(f"{what} {', '.join(kids)}" for what, kids in parts.items() if kids) or "there are none"
    logger.log(level, "keys of %s: %s", event.issuer, text)
    if event.changed:
        logger.warning("keys of %s: there is other key material under %s", event.issuer, event.changed)


def _who(event: MessageRefused | CallRefused) -> str:
    if event.issuer is None:
        return ""
    return f" from {event.issuer}" if event.proven else f" from someone who claims to be {event.issuer!r}"


def logs_all() -> bool:
    """Say whether `log_event` would write down also what was accepted."""
    return logger.isEnabledFor(logging.DEBUG)


def quietly(observer: Callable[[Event], None]) -> Callable[[Event], None]:
    """Wrap an observer so that its own faults never reach a verification."""

    def notice(event: Event) -> None:
        try:
            observer(event)
        except Exception:
            logger.exception("an observer failed on %s", type(event).__name__)

    return notice
