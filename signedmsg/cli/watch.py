"""What a development receiver tells whoever runs it: each refusal with the receiver's own reason."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Final, cast

from signedmsg.cli.output import dump, note
from signedmsg.observe import DirectoryChanged, DirectoryFailed, Event, HandlerFailed, MessageRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# Why a request was refused for its head alone, where no receiver was asked.
_UNASKED: Final = {
    "credentials_missing": "the body is empty",
    "malformed": "the body ended before its Content-Length",
    "too_large": "refused by its length, before it was read",
    "unsupported_media_type": "its Content-Type or Content-Encoding is not that of a token",
    "method_not_allowed": "only POST is accepted",
}
_CHANGES: Final = ("added", "removed", "revoked", "refused")
Record = dict[str, object]


class Watch:
    """Joins each refusing answer with the reason that the receiver told its observer, and logs both.

    A blocking receiver calls its observer in the thread of the request, so the two meet
    in a thread-local.

    Args:
        log: called with one record for each refused request, before it is answered, and
            for each change of a key directory; from many threads, one at a time.
    """

    def __init__(self, log: Callable[[Record], None]) -> None:
        self.accepted = 0
        self.refused = 0
        self._log = log
        self._lock = threading.Lock()
        self._here = threading.local()

    def observe(self, event: Event) -> None:
        """Take an event: pass this to the receiver and its directory."""
        if isinstance(event, MessageRefused | HandlerFailed):
            self._here.event = event
        elif isinstance(event, DirectoryChanged | DirectoryFailed):
            with self._lock:
                self._log(_directory_record(event))

    def around(self, endpoint: WSGIApplication) -> WSGIApplication:
        """Return the endpoint as it is served."""

        def watched(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self._here.event = None
            seen: list[int] = []

            def start(
                status: str, headers: list[tuple[str, str]], _exc_info: object = None
            ) -> Callable[[bytes], object]:
                seen.append(int(status[:3]))
                return start_response(status, headers)

            body = b"".join(endpoint(environ, start))
            self._count(seen[0], body)
            return [body]

        return watched

    def refuse(self, status: int, reason: str) -> None:
        """Log what the host itself refused: no endpoint saw it."""
        with self._lock:
            self.refused += 1
            self._log({"event": "refused", "status": status, "answered": None, "code": "http", "reason": reason})

    def _count(self, status: int, body: bytes) -> None:
        with self._lock:
            if status < 300:
                self.accepted += 1
            else:
                self.refused += 1
                self._log(_refusal_record(status, body, self._here.event))


def _refusal_record(status: int, body: bytes, event: MessageRefused | HandlerFailed | None) -> Record:
    # The answer to HEAD has no body; the endpoint takes nothing but POST.
    answered = str(json.loads(body)["code"]) if body else "method_not_allowed"
    record: Record = {"event": "refused", "status": status, "answered": answered}
    if event is None:
        return record | {"code": answered, "reason": _UNASKED.get(answered, "")}
    if isinstance(event, HandlerFailed):
        failed = f"the handler raised {type(event.error).__name__}: {event.error}"
        return record | {"code": answered, "reason": failed, "issuer": event.issuer, "proven": True}
    error = event.error
    where = "".join(f"; {pointer}: {detail}" for pointer, detail in getattr(error, "errors", ()))
    record |= {"code": error.code, "reason": f"{error}{where}", "issuer": event.issuer, "proven": event.proven}
    return record | ({"hint": error.hint} if error.hint else {})


def _directory_record(event: DirectoryChanged | DirectoryFailed) -> Record:
    if isinstance(event, DirectoryFailed):
        return {"event": "directory_failed", "issuer": event.issuer, "reason": event.reason}
    return {"event": "directory_changed", "issuer": event.issuer, **{word: getattr(event, word) for word in _CHANGES}}


def log_json(record: Record) -> None:
    """Write a record to stderr as one line of JSON."""
    note(dump(record))


def log_text(record: Record) -> None:
    """Write a record to stderr as a person reads it."""
    issuer = record.get("issuer")
    if record["event"] == "refused":
        who = (
            ""
            if not issuer
            else f"  from {issuer}"
            if record.get("proven")
            else f"  from someone who claims to be {issuer}"
        )
        note(f"{record['status']} {record['code']}: {record['reason']}{who}", label="refused", style="red")
        if record.get("hint"):
            note(f"  hint: {record['hint']}")
    elif record["event"] == "directory_failed":
        note(f"of {issuer} not read: {record['reason']}", label="keys", style="yellow")
    else:
        counts = {word: len(cast("tuple[str, ...]", record[word])) for word in _CHANGES}
        parts = ", ".join(f"{word} {count}" for word, count in counts.items() if count)
        note(f"of {issuer}: {parts or 'nothing new'}", label="keys", style="yellow")
