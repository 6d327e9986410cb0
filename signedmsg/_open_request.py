"""OpenRequest: a request whose head is verified, waiting for its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from signedmsg._core.call_body import body_too_large, unsigned_body
from signedmsg._core.events import CallRefused
from signedmsg._flows.call import finish_call
from signedmsg._flows.run import run

if TYPE_CHECKING:
    from signedmsg._core.call import AuthenticCall, Call
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.payload import Models
    from signedmsg._flows.receive import ReceivePorts
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.errors import VerificationError

T = TypeVar("T")


class _OpenRequest:
    """What both faces share: what may be known before the body is read."""

    __slots__ = ("_authentic", "_models", "_policy", "_ports")

    def __init__(self, ports: ReceivePorts, policy: CallPolicy, authentic: AuthenticCall, models: Models) -> None:
        self._ports = ports
        self._policy = policy
        self._authentic = authentic
        self._models = models

    @property
    def issuer(self) -> str:
        """Who signed the head."""
        return self._authentic.issuer

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self._authentic.method

    @property
    def path(self) -> str:
        """The path that was signed, in normal form."""
        return self._authentic.target.path

    @property
    def has_body(self) -> bool:
        """Whether a body was signed; when none was, any body refuses the request."""
        return bool(self._authentic.digests)

    @property
    def max_body(self) -> int:
        """The largest body that `finish` takes, in bytes: 0 when none was signed."""
        return self._policy.max_body if self.has_body else 0

    def too_large(self) -> VerificationError:
        """Return the error to raise for a body of more than `max_body` bytes; the observer is told."""
        error = body_too_large(self._policy.max_body) if self.has_body else unsigned_body()
        self._ports.notice(CallRefused(error=error, issuer=self.issuer, proven=True))
        return error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.path!r} from {self.issuer!r}>"


class OpenRequest(_OpenRequest):
    """A request whose token, method, URL, query and header fields are verified; nothing is recorded yet.

    It is not a call before `finish` returned one: its token may have been used already.
    """

    __slots__ = ()

    @overload
    def finish(self, body: bytes, model: None = None) -> Call[JSONValue]: ...
    @overload
    def finish(self, body: bytes, model: type[T]) -> Call[T]: ...
    def finish(self, body: bytes, model: type[Any] | None = None) -> Call[Any]:
        """Verify the body, record the token's id, and return the call: the first time only.

        Raises:
            VerificationError: it was refused; `code` says why.
            UnavailableError: the replay cache cannot answer now.
        """
        validator = None if model is None else self._models.of(model)
        return run(finish_call(self._ports, self._policy, self._authentic, body, validator))


class AsyncOpenRequest(_OpenRequest):
    """The async twin of `OpenRequest`."""

    __slots__ = ()

    @overload
    async def finish(self, body: bytes, model: None = None) -> Call[JSONValue]: ...
    @overload
    async def finish(self, body: bytes, model: type[T]) -> Call[T]: ...
    async def finish(self, body: bytes, model: type[Any] | None = None) -> Call[Any]:
        """See `OpenRequest.finish`."""
        validator = None if model is None else self._models.of(model)
        return await finish_call(self._ports, self._policy, self._authentic, body, validator)
