"""Sender and AsyncSender: sign messages and send them; two faces over one flow."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypedDict, TypeVar, Unpack

from signedmsg._core.compose import Frozen, freeze
from signedmsg._core.policy import DEFAULT_LIFETIME, MAX_TOKEN_SIZE, SendPolicy, between, check
from signedmsg._core.urls import WebURL, parse_url
from signedmsg._flows.run import run
from signedmsg._flows.send import Sent, send, sign
from signedmsg._http import AsyncPoster, Poster
from signedmsg._ids import new_jti, new_message_id
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import KID
from signedmsg.errors import KeyRingError, SigningError
from signedmsg.keys.ring import KeyRing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    import httpx

    from signedmsg._core.delivery import Reply
    from signedmsg._flows.ports import AsyncSigner, Signer

S = TypeVar("S", bound="Signer | AsyncSigner")
C = TypeVar("C")

DEFAULT_TIMEOUT: Final = 10.0
# r‖s of each curve, RFC 7518 §3.4 and RFC 8032; other algorithms are checked by the receiver.
_SIGNATURE_SIZES: Final = {"ES256": 64, "ES384": 96, "ES512": 132, "Ed25519": 64, "EdDSA": 64}


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
        client: C | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        dangerously_allow_http: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = SendPolicy(issuer, lifetime, max_size, account)
        check(
            (
                _problem_of_signer(key),
                _problem_of_ring(key, self.policy),
                between("timeout", timeout, 0.001, 3600, "seconds"),
            )
        )
        self.signer = key
        self.clock = clock
        self._allow_http = dangerously_allow_http
        self._connect(client, timeout)

    def _connect(self, client: C | None, timeout: float) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        key = self.signer
        # A ring may have no key that signs now.
        who = repr(key) if isinstance(key, KeyRing) else f"{key.alg} {key.kid}"
        return f"<{type(self).__name__} {self.policy.issuer!r} {who}>"

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
        now = self.clock()
        return freeze(
            self.policy,
            data,
            type=type,
            audience=audience,
            id=new_message_id(now) if id is None else id,
            time=now if time is None else time,
            **options,
        )

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


def _problem_of_ring(key: object, policy: SendPolicy) -> str | None:
    if not isinstance(key, KeyRing):
        return None
    if key.issuer != policy.issuer:
        return f"key: the ring is that of {key.issuer}"
    # It would remove a retired key while such tokens are on their way.
    if policy.lifetime > key.max_lifetime:
        return f"lifetime: the ring waits for tokens of at most {key.max_lifetime} seconds, see its max_lifetime"
    return None


def _problem_of_signer(key: object) -> str | None:
    if isinstance(key, KeyRing):
        return None
    alg, kid = getattr(key, "alg", None), getattr(key, "kid", None)
    if isinstance(key, type) or not callable(getattr(key, "sign", None)):
        raise TypeError(f"key: expected a SigningKey or another signer, got {type(key).__name__}")
    if alg not in ALGORITHMS:
        if not hasattr(key, "alg"):
            return f"key: a {type(key).__name__} has no alg; load it as a SigningKey, or wrap it in a signer"
        return f"key: its algorithm {alg!r} is not one of {', '.join(ALGORITHMS)}"
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        return "key: its kid is not 1 to 128 characters of [A-Za-z0-9._~:+=@/-]"
    return None


class _SignPorts:
    def __init__(self, sender: _Sender[Any, Any]) -> None:
        self._signer: Signer | AsyncSigner = sender.signer
        self.now = sender.clock
        self.new_jti = new_jti

    def signer(self) -> Signer | AsyncSigner:
        if not isinstance(self._signer, KeyRing):
            return self._signer
        try:
            return self._signer.current()
        except KeyRingError as error:
            raise SigningError(str(error), hint=error.hint) from error

    def _checked(self, alg: str, signature: object) -> bytes:
        """Refuse what a receiver would refuse: ECDSA signatures of a KMS often come as DER."""
        if not isinstance(signature, bytes) or not signature:
            raise SigningError(f"the signer returned {type(signature).__name__}, not a signature")
        size = _SIGNATURE_SIZES.get(alg)
        if size is not None and len(signature) != size:
            raise SigningError(
                f"the signer returned {len(signature)} bytes; {alg} has {size}",
                hint="a JWS holds r‖s (RFC 7518 §3.4); convert a DER signature first",
            )
        return signature


class _BlockingPorts(_SignPorts):
    def __init__(self, sender: _Sender[Any, Any], poster: Poster) -> None:
        super().__init__(sender)
        self._post = poster.post

    async def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes:
        try:
            signature = signer.sign(signing_input)
        except Exception as error:
            raise SigningError(f"the signer failed: {type(error).__name__}") from error
        return self._checked(signer.alg, signature)

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
        client: an `httpx.Client` to send with; by default one is made at the first `send`,
            which uses no proxy of the environment.
        timeout: for one post as a whole, in seconds; with a client of the caller's, for each
            step of it.
        dangerously_allow_http: send to `http://` URLs too, in the clear.
        clock: the time in Unix seconds.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    def _connect(self, client: httpx.Client | None, timeout: float) -> None:
        key = self.signer
        if inspect.iscoroutinefunction(key.sign):
            raise TypeError("key: an async signer needs AsyncSender")
        self._poster = Poster(client, timeout)
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
            DeliveryError: it was not accepted, or no answer came.
        """
        target = self._target(url)
        frozen = self._freeze(data, type=type, audience=target.endpoint, **options)
        return run(send(self._ports, self.policy, frozen, target.full))

    def close(self) -> None:
        """Close the HTTP client, unless it was given."""
        self._poster.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _AsyncPorts(_SignPorts):
    def __init__(self, sender: _Sender[Any, Any], poster: AsyncPoster) -> None:
        super().__init__(sender)
        self.post = poster.post

    async def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes:
        try:
            signature = signer.sign(signing_input)
            if not isinstance(signature, bytes):
                signature = await signature
        except Exception as error:
            raise SigningError(f"the signer failed: {type(error).__name__}") from error
        return self._checked(signer.alg, signature)


class AsyncSender(_Sender["Signer | AsyncSigner", "httpx.AsyncClient"]):
    """The async twin of `Sender`, for asyncio and trio; see there for the arguments.

    Its signer is a `SigningKey` or a `KeyRing`, whose `waits` is `never`, or one whose `sign` is a
    coroutine function; one that blocks is refused.
    """

    def _connect(self, client: httpx.AsyncClient | None, timeout: float) -> None:
        key = self.signer
        if not inspect.iscoroutinefunction(key.sign) and getattr(key, "waits", None) != "never":
            raise TypeError(
                f"key: {key!r} may block the event loop; give it an `async def sign`, "
                'or say `waits = "never"` if it does no I/O'
            )
        self._poster = AsyncPoster(client, timeout)
        self._ports = _AsyncPorts(self, self._poster)

    async def sign(self, data: object, *, type: str, audience: str, **options: Unpack[MessageOptions]) -> str:
        """See `Sender.sign`."""
        frozen = self._freeze(data, type=type, audience=audience, **options)
        return await sign(self._ports, self.policy, frozen)

    async def send(self, url: str, data: object, *, type: str, **options: Unpack[MessageOptions]) -> Sent:
        """See `Sender.send`."""
        target = self._target(url)
        frozen = self._freeze(data, type=type, audience=target.endpoint, **options)
        return await send(self._ports, self.policy, frozen, target.full)

    async def aclose(self) -> None:
        """Close the HTTP client, unless it was given."""
        await self._poster.aclose()

    async def __aenter__(self) -> AsyncSender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
