"""What a capturing transport keeps and answers, for either HTTP library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from signedmsg._core.proof import claims_of
from signedmsg._core.urls import parse_url
from signedmsg._jose import jws
from signedmsg.receiver import Receiver

if TYPE_CHECKING:
    from signedmsg._core.call import Call
    from signedmsg._core.message import Message
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.testing.peer import Peer

M = TypeVar("M")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Captured:
    """A request that was about to go out.

    Attributes:
        method: the HTTP method.
        url: its full URL.
        headers: its header fields, repeated ones apart.
        body: its octets.
        peer: whose key its signature is verified with.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    peer: Peer = field(repr=False)

    @overload
    def message(self, model: None = None, *, audience: str | None = None) -> Message[JSONValue]: ...
    @overload
    def message(self, model: type[M], *, audience: str | None = None) -> Message[M]: ...
    def message(self, model: type[Any] | None = None, *, audience: str | None = None) -> Message[Any]:
        """Return the message, verified as the receiver at this URL would at the second in which it was signed.

        Raises:
            VerificationError: the receiver would refuse it.
        """
        receiver = self._receiver(audience or parse_url(self.url).endpoint, self.body)
        return receiver.verify(self.body) if model is None else receiver.verify(self.body, model)

    @overload
    def call(self, model: None = None, *, audience: str | None = None, scheme: str = ...) -> Call[JSONValue]: ...
    @overload
    def call(self, model: type[M], *, audience: str | None = None, scheme: str = ...) -> Call[M]: ...
    def call(self, model: type[Any] | None = None, *, audience: str | None = None, scheme: str = "Bearer") -> Call[Any]:
        """Return the call, verified as the service at this URL would at the second in which it was signed.

        Raises:
            VerificationError: the service would refuse it.
        """
        url = parse_url(self.url)
        token = dict(self.headers).get("authorization", "").rpartition(" ")[2]
        options = {"external_url": url.origin, "scheme": scheme, "max_body": max(len(self.body), 1)}
        receiver = self._receiver(audience or url.origin, token, **options)
        target = url.path + (f"?{url.query}" if url.query else "")
        parts = (self.method, target, self.headers, self.body)
        return receiver.verify_request(*parts) if model is None else receiver.verify_request(*parts, model)

    def _receiver(self, audience: str, token: bytes | str, **options: Any) -> Receiver:
        signed_at = _signed_at(token)
        return Receiver(
            audience,
            self.peer.directory(),
            self.peer.replay_cache(),
            clock=self.peer.clock if signed_at is None else lambda: signed_at,
            observe=_ignore,
            **options,
        )


def _ignore(_: object) -> None:
    """The error is raised to the test."""


def _signed_at(token: bytes | str) -> float | None:
    """Return the `iat` of a token: a test may let time pass before it looks at what was sent."""
    from signedmsg.errors import VerificationError

    try:
        issued_at = claims_of(jws.parse(token, max_size=2**20).payload).get("iat")
    except VerificationError:
        return None
    return float(issued_at) if isinstance(issued_at, int) else None


class Capturing(Generic[A]):
    """Keeps each request, and answers as it was told: each answer once, the last one for good."""

    def __init__(self, peer: Peer, *answers: A) -> None:
        self.peer = peer
        self.requests: list[Captured] = []
        self._answers: list[A] = list(answers)

    @property
    def messages(self) -> list[Message[JSONValue]]:
        """What was sent as messages, each verified."""
        return [request.message() for request in self.requests]

    @property
    def calls(self) -> list[Call[JSONValue]]:
        """What was sent as calls, each verified."""
        return [request.call() for request in self.requests]

    def next_answer(self) -> A | None:
        """Return what to answer now; None for the answer of a service that takes everything."""
        if len(self._answers) > 1:
            return self._answers.pop(0)
        return self._answers[0] if self._answers else None

    def keep(self, request: Any, body: bytes) -> None:
        """Keep a request of either library."""
        headers = tuple((name.lower(), value) for name, value in request.headers.multi_items())
        self.requests.append(Captured(request.method, str(request.url), headers, body, self.peer))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {len(self.requests)} requests>"
