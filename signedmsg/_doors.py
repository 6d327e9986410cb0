"""From an ASGI scope to a verified call, and from a refusal to an ASGI answer: what the async doors share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_to_bytes

from signedmsg._core.answers import Answer, answer_call_error
from signedmsg._core.call_patterns import allows, problem_of_call_pattern
from signedmsg._core.components import meant_by, overrides_method
from signedmsg._core.envelope_request import parse_content_length
from signedmsg._core.policy import check
from signedmsg._core.target import MAX_TARGET, DecodedTarget, has_escaped_separator, is_ambiguous, normal_path
from signedmsg._jose.shown import shown
from signedmsg.receiver import AsyncReceiver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import TypeAlias

    from signedmsg._core.call import Call
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg._open_request import AsyncOpenRequest
    from signedmsg.errors import SignedMessageError

    Scope: TypeAlias = MutableMapping[str, Any]
    Event: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Event]]
    Send: TypeAlias = Callable[[Event], Awaitable[None]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# In the scope itself, since a server or framework may share its `state` between requests.
_SLOT: Final = "signedmsg.call"
_WAITING: Final = "signedmsg.waiting"
_WEBSOCKET: Final = "WEBSOCKET"
# RFC 3986 §3.3: what may stand in a path as it is.
_PATH_SAFE: Final = "/!$&'()*+,;=:@~"


def check_receiver(receiver: AsyncReceiver, door: str) -> str:
    """Return the authentication scheme of a receiver that takes calls without blocking the event loop.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(receiver, AsyncReceiver):
        raise TypeError(f"receiver: {door} needs an AsyncReceiver, got {type(receiver).__name__}")
    return receiver.require_calls().scheme


def target_of(scope: Scope, *, path: str | None = None) -> bytes | DecodedTarget:
    """Return the target as it was sent, or decoded where that is not what the application acts upon.

    Args:
        scope: of a request. Its `raw_path` is what the server got, whatever it was mounted under since.
        path: the decoded path as a framework routed it, where that is not the scope's.
    """
    seen: str = scope["path"] if path is None else path
    query, raw = scope.get("query_string", b""), scope.get("raw_path")
    if raw is not None:
        # Some test clients leave the query on it.
        sent: bytes = raw.partition(b"?")[0]
        if _is_same(sent, seen, scope.get("root_path", "")):
            return sent + b"?" + query if query else sent
    # What middleware made of the path is what will be served, so that is what must have been signed.
    return DecodedTarget(seen.encode("utf-8", "replace"), query)


def _is_same(sent: bytes, path: str, root: str) -> bool:
    """Return whether the application sees the path that was sent; the root may be missing from either."""
    seen = unquote_to_bytes(sent).decode("utf-8", "replace")
    return path == seen or (root != "" and (root + path == seen or path == root + seen))


def headers_of(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a request, and leave them to be read again."""
    # Any iterable by the specification, perhaps one that can be gone through only once.
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    scope["headers"] = headers
    return headers


async def open_scope(receiver: AsyncReceiver, scope: Scope, *, path: str | None = None) -> AsyncOpenRequest:
    """Verify everything about a request but its body.

    Raises:
        VerificationError, UnavailableError: it is refused.
    """
    headers = headers_of(scope)
    opened = await receiver.open_request(scope["method"], target_of(scope, path=path), headers)
    lengths = [value.decode("latin-1") for name, value in headers if name.lower() == b"content-length"]
    length = parse_content_length(lengths)
    if length is not None and length > opened.max_body:
        raise opened.too_large()
    return opened


async def verify_scope(
    receiver: AsyncReceiver, scope: Scope, receive: Receive, *, path: str | None = None
) -> Call[JSONValue] | None:
    """Return the verified call of a request, or None when the client went away before its body was complete.

    Raises:
        VerificationError, UnavailableError: it is refused.
    """
    opened = await open_scope(receiver, scope, path=path)
    body = await read_body(receive, opened.max_body)
    # One byte beyond the cap, or one where none was signed, is refused there.
    return None if body is None else await opened.finish(body)


def whole_body(event: Event, cap: int) -> bytes | None:
    """Return the body when this first event has all of it and it is no longer than the cap; else see `read_body`."""
    if event["type"] != "http.request" or event.get("more_body", False):
        return None
    body = event.get("body", b"")
    return body if type(body) is bytes and len(body) <= cap else None


async def read_body(receive: Receive, cap: int, event: Event | None = None) -> bytes | None:
    """Read the body up to one byte beyond the cap; None when the client went away.

    Args:
        receive: gives the events.
        cap: in bytes.
        event: the first one, where it was received already.
    """
    body = bytearray()
    while True:
        event = await receive() if event is None else event
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if len(body) > cap:
            return bytes(body[: cap + 1])
        if not event.get("more_body", False):
            return bytes(body)
        event = None


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the application the body which was read already, then what comes."""
    given = False

    async def receive_again() -> Event:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def remember(scope: Scope, call: Call[Any] | None) -> None:
    """Put the call of a request where `recall` finds it and, for convenience, into its state."""
    scope[_SLOT] = call
    scope.setdefault("state", {})["signedmsg_call"] = call
    scope.get(_WAITING, []).append(call)


def await_call(scope: Scope) -> Callable[[], Call[Any] | None]:
    """Return what gives the call of a request once something inside has verified it, whoever copied the scope since."""
    waiting: list[Call[Any] | None] = []
    scope[_WAITING] = waiting
    return lambda: waiting[-1] if waiting else None


def method_of(scope: Scope) -> str:
    """Return the method that patterns of exemptions name; a websocket's opening request has one of its own."""
    if scope["type"] != "http":
        return _WEBSOCKET
    # HTTP takes any token as a method, and what opens a websocket does not let a request of that name in.
    return "" if scope["method"] == _WEBSOCKET else str(scope["method"])


def recall(scope: Scope) -> Call[Any] | None:
    """Return the call that was verified for exactly this request, if any."""
    call: Call[Any] | None = scope.get(_SLOT)
    return call


def refusal(error: SignedMessageError, receiver: AsyncReceiver) -> Answer:
    """Return the answer to a call that is refused."""
    return answer_call_error(error, receiver.clock(), receiver.require_calls().scheme)


async def respond(answer: Answer, method: str, send: Send) -> None:
    """Send an answer."""
    # A list of its own each time: middleware adds to it.
    headers = list(_fields(answer.headers))
    # Neither has content; and the length that a 304 may state is that of the document (RFC 9110 §8.6).
    if answer.status not in (204, 304):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


# Few answers are made again and again.
@lru_cache(maxsize=64)
def _fields(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


class Exempt:
    """Which requests need no signature: patterns of a method and a path, as in `Issuer(allow=…)`.

    Raises:
        TypeError, ValueError: one is no such pattern.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        if isinstance(patterns, str):
            raise TypeError(f'exempt: expected a list of patterns, got one str; write ["{patterns}"]')
        self._patterns = tuple(patterns)
        check(_problem_of_pattern(pattern) for pattern in self._patterns)

    def covers(
        self, method: str, path: str, raw: bytes | DecodedTarget, headers: Iterable[tuple[bytes, bytes]]
    ) -> bool:
        """Return whether a request is exempt.

        Args:
            method: of the request; `WEBSOCKET` for one that opens a websocket.
            path: as the application routes it, decoded.
            raw: the target as it was sent. Where it says anything but this path, nothing is exempt:
                what skips the signature must be what will be served, whoever resolves it.
            headers: its header fields; with one that overrides the method, nothing is exempt either.
        """
        # Before anything is worked out of a path that anybody may send; what is longer is refused at the door anyway.
        if not self._patterns or isinstance(raw, DecodedTarget) or len(raw) > MAX_TARGET:
            return False
        try:
            sent, seen = normal_path(raw.partition(b"?")[0].decode("latin-1")), normal_path(quote(path, _PATH_SAFE))
        except ValueError:
            return False
        if is_ambiguous(sent) or is_ambiguous(seen) or has_escaped_separator(sent):
            return False
        if not any(allows(pattern, method, seen) for pattern in self._patterns):
            return False
        return not any(overrides_method(meant_by(name.decode("latin-1").lower())) for name, _ in headers)


def _problem_of_pattern(pattern: object) -> str | None:
    if not isinstance(pattern, str):
        return f'exempt: expected "METHOD /path" or "METHOD /path/*", got {shown(pattern)}'
    problem = problem_of_call_pattern(pattern)
    return problem and problem.replace("allow:", "exempt:")
