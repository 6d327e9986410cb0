"""What a receiver of calls does: verify a request at once, or open it and finish it once its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from signedmsg._flows.call import open_call
from signedmsg._flows.run import run
from signedmsg._open_request import AsyncOpenRequest, OpenRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from signedmsg._core.call import Call
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.payload import Models
    from signedmsg._core.target import DecodedTarget
    from signedmsg._flows.receive import ReceivePorts
    from signedmsg._jose.strict_json import JSONValue

    Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]

T = TypeVar("T")


class _TakesCalls:
    """What both faces share: the policy, or why there is none."""

    _call_ports: ReceivePorts
    _call_policy: CallPolicy | str
    _models: Models

    def require_calls(self) -> CallPolicy:
        """Return what this receiver checks of a call: a door calls it when it is built.

        Raises:
            ValueError: the receiver cannot take calls, mostly since it does not know its own URL.
        """
        if isinstance(self._call_policy, str):
            raise ValueError(self._call_policy)
        return self._call_policy


class TakesCalls(_TakesCalls):
    """The part of `Receiver` that calls use."""

    @overload
    def verify_request(
        self, method: str, target: str | bytes | DecodedTarget, headers: Headers, body: bytes, model: None = None
    ) -> Call[JSONValue]: ...
    @overload
    def verify_request(
        self, method: str, target: str | bytes | DecodedTarget, headers: Headers, body: bytes, model: type[T]
    ) -> Call[T]: ...
    def verify_request(
        self,
        method: str,
        target: str | bytes | DecodedTarget,
        headers: Headers,
        body: bytes,
        model: type[Any] | None = None,
    ) -> Call[Any]:
        """Verify a request that its caller signed, record the token's id, and return the call.

        Whatever is passed, only the errors below are raised, and `TypeError` for what is no
        model. Refused requests leave the replay cache as it was.

        Args:
            method: as it arrived; compared letter by letter.
            target: path and query in origin-form, raw as they stood in the request line; a
                `DecodedTarget` where the server gives only decoded octets.
            headers: all header fields: a mapping, or pairs of name and value. Names may be in
                any case and may repeat; bytes are read as latin-1. Where repeated fields are
                lost before they come here, a second credential cannot be seen.
            body: the octets as they arrived.
            model: a pydantic model, or any type pydantic validates, for `Call.data`.

        Raises:
            VerificationError: it was refused; `code` says why.
            UnavailableError: the directory or the replay cache cannot answer now.
        """
        if model is not None:
            self._models.of(model)
        return self.open_request(method, target, headers).finish(body, model)

    def open_request(self, method: str, target: str | bytes | DecodedTarget, headers: Headers) -> OpenRequest:
        """Verify all of a request but its body, so that a body is read only of a caller who may send it.

        Nothing is recorded. See `verify_request` for the arguments.

        Raises:
            VerificationError, UnavailableError: as `verify_request`.
        """
        policy = self.require_calls()
        authentic = run(open_call(self._call_ports, policy, method, target, headers))
        return OpenRequest(self._call_ports, policy, authentic, self._models)


class AsyncTakesCalls(_TakesCalls):
    """The part of `AsyncReceiver` that calls use."""

    @overload
    async def verify_request(
        self, method: str, target: str | bytes | DecodedTarget, headers: Headers, body: bytes, model: None = None
    ) -> Call[JSONValue]: ...
    @overload
    async def verify_request(
        self, method: str, target: str | bytes | DecodedTarget, headers: Headers, body: bytes, model: type[T]
    ) -> Call[T]: ...
    async def verify_request(
        self,
        method: str,
        target: str | bytes | DecodedTarget,
        headers: Headers,
        body: bytes,
        model: type[Any] | None = None,
    ) -> Call[Any]:
        """See `Receiver.verify_request`."""
        if model is not None:
            self._models.of(model)
        opened = await self.open_request(method, target, headers)
        return await opened.finish(body, model)

    async def open_request(
        self, method: str, target: str | bytes | DecodedTarget, headers: Headers
    ) -> AsyncOpenRequest:
        """See `Receiver.open_request`."""
        policy = self.require_calls()
        authentic = await open_call(self._call_ports, policy, method, target, headers)
        return AsyncOpenRequest(self._call_ports, policy, authentic, self._models)
