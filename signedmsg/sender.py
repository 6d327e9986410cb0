"""Sender and AsyncSender: sign messages and send them; two faces over one flow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypedDict, TypeVar, Unpack

from signedmsg._core.answer_token import RECEIPT_MEDIA_TYPE, Receipt
from signedmsg._core.answers import PROBLEM_TYPE
from signedmsg._core.compose import Frozen, freeze
from signedmsg._core.policy import DEFAULT_LIFETIME, MAX_TOKEN_SIZE, SendPolicy, between
from signedmsg._core.urls import WebURL, parse_url
from signedmsg._flows.run import run
from signedmsg._flows.send import Receipts, Sent, send, sign
from signedmsg._http import AsyncPoster, Poster
from signedmsg._ids import new_message_id
from signedmsg._signer import (
    AsyncSignerPorts,
    BlockingSignerPorts,
    check_signer,
    never_blocks,
    shown_signer,
    signing_time,
    suspends,
)
from signedmsg.errors import SigningError
from signedmsg.signed_answers.verifying import check_verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    import httpx

    from signedmsg._core.answer_token import RequestRef
    from signedmsg._core.delivery import Reply
    from signedmsg._flows.ports import AsyncSigner, Signer
    from signedmsg.signed_answers.verifying import AnswerVerifier, AsyncAnswerVerifier

S = TypeVar("S", bound="Signer | AsyncSigner")
C = TypeVar("C")

DEFAULT_TIMEOUT: Final = 10.0


class _OtherOptions(TypedDict, total=False):
    subject: str | None
    account: str | None
    until: int | None
    claims: Mapping[str, object] | None


class MessageOptions(_OtherOptions, total=False):
    """What a message may carry besides its data, type and audience.

    Args:
        id: the message's id, the same over all attempts; a UUIDv7 by default.
        time: when the message was made, in Unix seconds or with a time zone; now by default.
        subject: what it is about.
        account: whose data it is; the sender's own by default.
        until: the message's own deadline, a NumericDate; three days after `time` by default.
        claims: further claims, whose names are URIs (RFC 7519 §4.2).
    """

    id: str | None
    time: float | datetime | None


class _Sender(Generic[S, C]):
    """What both faces share: the policy, the signer's checks, and freezing a message."""

    def __init__(
        self,
        issuer: str,
        key: S,
        *,
        lifetime: int = DEFAULT_LIFETIME,
        account: str | None = None,
        max_size: int = MAX_TOKEN_SIZE,
        answers: AnswerVerifier | AsyncAnswerVerifier | None = None,
        require_receipt: bool = False,
        client: C | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        dangerously_allow_http: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = SendPolicy(issuer, lifetime, max_size, account)
        check_signer(
            key,
            self.policy,
            between("timeout", timeout, 0.001, 3600, "seconds"),
            "answers: to require receipts, say whose" if require_receipt and answers is None else None,
        )
        self.signer = key
        self.clock = clock
        self._allow_http = dangerously_allow_http
        self._answers = answers
        self._require_receipt = require_receipt
        self._connect(client, timeout)

    def _connect(self, client: C | None, timeout: float) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.policy.issuer!r} {shown_signer(self.signer)}>"

    def _freeze(
        self,
        data: object,
        *,
        type: str,
        audience: str,
        id: str | None = None,
        time: float | datetime | None = None,
        **options: Unpack[_OtherOptions],
    ) -> Frozen:
        now = signing_time(self.clock)
        return freeze(
            self.policy,
            data,
            type=type,
            audience=audience,
            id=new_message_id(now) if id is None else id,
            time=now if time is None else time,
            **options,
        )

    @property
    def _accept(self) -> str:
        return PROBLEM_TYPE if self._answers is None else f"{RECEIPT_MEDIA_TYPE}, {PROBLEM_TYPE}"

    def _receipts(self, audience: str) -> Receipts | None:
        """Return what is expected of the answers of an endpoint."""
        if self._answers is None:
            return None
        if self._answers.answerer(audience) is not None:
            return Receipts(self._read, self._require_receipt)
        if self._require_receipt:
            raise SigningError(f"answers: no issuer is named for {audience}, so no receipt of it would count")
        return None

    async def _read(self, request: RequestRef, token: bytes) -> Receipt:
        assert self._answers is not None  # noqa: S101 - see _receipts
        read = self._answers.verify_receipt(token, request)
        return read if isinstance(read, Receipt) else await read

    def _target(self, url: str) -> WebURL:
        try:
            target = parse_url(url)
        except (TypeError, ValueError) as error:
            raise SigningError(f"url: {error}") from None
        # Over plain http anybody on the way reads the message and can answer in the receiver's name.
        if target.scheme != "https" and not self._allow_http:
            raise SigningError(
                "url: expected https://", hint="dangerously_allow_http=True sends in the clear, for local development"
            )
        return target


class _BlockingPorts(BlockingSignerPorts):
    def __init__(self, sender: _Sender[Any, Any], poster: Poster) -> None:
        super().__init__(sender.signer, sender.clock)
        self._post = poster.post

    async def post(self, url: str, token: str) -> Reply | None:
        return self._post(url, token)


class Sender(_Sender["Signer", "httpx.Client"]):
    """Signs messages as one issuer, and sends them; blocking, and safe to use from many threads.

    Args:
        issuer: the `iss` of every token: who receivers know this service as, such as
            `https://billing.example`; 1 to 256 visible ASCII characters.
        key: a `SigningKey`; a `KeyRing`, whose active key signs; or another signer (a KMS)
            that signs while it is called.
        lifetime: how long a token is valid, in whole seconds, at most 300.
        account: whose messages these are, unless a call says otherwise, where one
            platform signs for many customers.
        max_size: the largest token made, in bytes.
        answers: whose signed receipts count. Receivers are then asked for one; a receipt that
            comes is verified, and one that is wrong is a `DeliveryError`.
        require_receipt: an answer without a receipt does not count: neither as accepted nor as a
            refusal that ends the message; needs `answers`.
        client: an `httpx.Client` to send with; by default one is made at the first `send`,
            which uses no proxy of the environment.
        timeout: for one post as a whole, in seconds; with a client of the caller's, for each
            step of it. At most a third of it is spent waiting for a free connection.
        dangerously_allow_http: send to `http://` URLs too, in the clear.
        clock: the time in Unix seconds.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    def _connect(self, client: httpx.Client | None, timeout: float) -> None:
        if suspends(self.signer):
            raise TypeError("key: an async signer needs AsyncSender")
        check_verifier(self._answers, suspends=False)
        self._poster = Poster(client, timeout, self._accept)
        self._ports = _BlockingPorts(self, self._poster)

    def sign(self, data: object, *, type: str, audience: str, **options: Unpack[MessageOptions]) -> str:
        """Return a token for any transport; sign anew for each attempt to deliver it.

        Args:
            data: anything that is JSON, or a pydantic model; it is not changed.
            type: what kind of message it is, such as `invoice.paid`.
            audience: for whom: the receiver's URL without query and fragment, or any
                other name agreed on.
            options: `id`, `time`, `subject`, `account`, `until` and `claims`: see `MessageOptions`.

        Raises:
            SigningError: it cannot be written faithfully, or the key may not be used now.
        """
        frozen = self._freeze(data, type=type, audience=audience, **options)
        return run(sign(self._ports, self.policy, frozen))

    def send(self, url: str, data: object, *, type: str, **options: Unpack[MessageOptions]) -> Sent:
        """Sign a message for the URL it is sent to, and post it once.

        The audience is the URL without its query. No redirect is followed. On
        `DeliveryError` with `retryable`, call again with the same `id` (and `time` and `until`):
        the receiver can then tell a retry from a new message. See `sign` for the arguments.

        Raises:
            SigningError: nothing was sent.
            DeliveryError: it was not accepted, or no answer came, or none that counts; or no connection
                was free in time, so that nothing was sent: then its `attempts` is 0.
        """
        target = self._target(url)
        receipts = self._receipts(target.endpoint)
        frozen = self._freeze(data, type=type, audience=target.endpoint, **options)
        return run(send(self._ports, self.policy, frozen, target.full, receipts))

    def close(self) -> None:
        """Close the HTTP client, unless it was given."""
        self._poster.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _AsyncPorts(AsyncSignerPorts):
    def __init__(self, sender: _Sender[Any, Any], poster: AsyncPoster) -> None:
        super().__init__(sender.signer, sender.clock)
        self.post = poster.post


class AsyncSender(_Sender["Signer | AsyncSigner", "httpx.AsyncClient"]):
    """The async twin of `Sender`, for asyncio and trio; see there for the arguments.

    Any number of sends may be under way. Without a client of the caller's, a hundred at a time are
    posted by one event loop; the others wait for their turn, for half of `timeout` at most. So
    a larger crowd than is posted in that time is to be sent in portions, or with a longer `timeout`.

    Its signer is a `SigningKey` or a `KeyRing`, whose `waits` is `never`, or one whose `sign` is a
    coroutine function; one that blocks is refused.
    """

    def _connect(self, client: httpx.AsyncClient | None, timeout: float) -> None:
        key = self.signer
        if not never_blocks(key):
            raise TypeError(
                f"key: {key!r} may block the event loop; give it an `async def sign`, "
                'or say `waits = "never"` if it does no I/O'
            )
        check_verifier(self._answers, suspends=True)
        self._poster = AsyncPoster(client, timeout, self._accept)
        self._ports = _AsyncPorts(self, self._poster)

    async def sign(self, data: object, *, type: str, audience: str, **options: Unpack[MessageOptions]) -> str:
        """See `Sender.sign`."""
        frozen = self._freeze(data, type=type, audience=audience, **options)
        return await sign(self._ports, self.policy, frozen)

    async def send(self, url: str, data: object, *, type: str, **options: Unpack[MessageOptions]) -> Sent:
        """See `Sender.send`."""
        target = self._target(url)
        receipts = self._receipts(target.endpoint)
        frozen = self._freeze(data, type=type, audience=target.endpoint, **options)
        return await send(self._ports, self.policy, frozen, target.full, receipts)

    async def aclose(self) -> None:
        """Close the HTTP client, unless it was given."""
        await self._poster.aclose()

    async def __aenter__(self) -> AsyncSender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
