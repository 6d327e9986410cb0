"""Peer: somebody a service talks with, whose key is at hand: to sign as, and to verify with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from signedmsg._core.answers import ENVELOPE_MEDIA_TYPE
from signedmsg._core.call_policy import DEFAULT_SCHEME, MAX_HEADER_TOKEN
from signedmsg._core.compose_request import Bound, Outgoing, bind
from signedmsg._core.payload import encode_data
from signedmsg._core.policy import DEFAULT_LIFETIME, SendPolicy
from signedmsg._core.urls import parse_url
from signedmsg._flows.call_send import sign_call
from signedmsg._flows.run import run
from signedmsg._jose.jwks import JWKSet
from signedmsg._signer import BlockingSignerPorts
from signedmsg.keys.directory import KeyDirectory
from signedmsg.keys.issuer import Issuer
from signedmsg.keys.signing import SigningKey
from signedmsg.receiver import AsyncReceiver, Receiver
from signedmsg.sender import AsyncSender, Sender
from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.testing.bad import Bad, Signing, tampered
from signedmsg.testing.clock import ManualClock
from signedmsg.testing.requests import SignedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Unpack

    from signedmsg.httpx import SignedAuth
    from signedmsg.sender import MessageOptions


class Peer:
    """Somebody a service talks with; its key is made here and already trusted where `directory` is used.

    ```python
    peer = Peer("https://billing.example")
    receiver = peer.receiver("https://shop.example/inbox", allow=["invoice.*"])
    receiver.verify(peer.sign({"number": 42}, type="invoice.paid", audience="https://shop.example/inbox"))
    ```

    Args:
        issuer: the `iss` it signs with.
        key: its key; a new one by default.
        clock: the time in Unix seconds, for all that it makes; a `ManualClock` stands still.
    """

    def __init__(
        self,
        issuer: str = "https://peer.example",
        *,
        key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.key = key or SigningKey.generate()
        self.clock = clock

    def __repr__(self) -> str:
        return f"<Peer {self.issuer!r}>"

    def trusted(self, allow: Iterable[str] = ("*",)) -> Issuer:
        """Return the issuer as a receiver's configuration names it."""
        return Issuer(self.issuer, allow=allow, keys=JWKSet(self.key.public))

    def directory(self, *others: Issuer, allow: Iterable[str] = ("*",)) -> KeyDirectory:
        """Return a directory that trusts this peer, and others; it never waits, so that both faces take it."""
        return KeyDirectory(self.trusted(allow), *others, clock=self.clock)

    def replay_cache(self) -> MemoryReplayCache:
        """Return an empty replay cache; it takes tokens that were signed before it was made."""
        monotonic = self.clock.monotonic if isinstance(self.clock, ManualClock) else None
        return MemoryReplayCache(clock=self.clock, monotonic=monotonic, dangerously_accept_earlier=True)

    def receiver(self, audience: str, *, allow: Iterable[str] = ("*",), **options: Any) -> Receiver:
        """Return a receiver that trusts this peer alone; `options` are those of `Receiver`."""
        return Receiver(audience, self.directory(allow=allow), self.replay_cache(), clock=self.clock, **options)

    def async_receiver(self, audience: str, *, allow: Iterable[str] = ("*",), **options: Any) -> AsyncReceiver:
        """Return the async twin of `receiver`."""
        return AsyncReceiver(audience, self.directory(allow=allow), self.replay_cache(), clock=self.clock, **options)

    def sender(self, **options: Any) -> Sender:
        """Return a sender that signs as this peer; `options` are those of `Sender`, such as `client`."""
        return Sender(self.issuer, self.key, clock=self.clock, **options)

    def async_sender(self, **options: Any) -> AsyncSender:
        """Return the async twin of `sender`."""
        return AsyncSender(self.issuer, self.key, clock=self.clock, **options)

    def auth(self, **options: Any) -> SignedAuth:
        """Return the `auth` of an httpx client that calls as this peer; `options` are those of `SignedAuth`."""
        from signedmsg.httpx import SignedAuth

        return SignedAuth(self.issuer, self.key, clock=self.clock, **options)

    def sign(
        self, data: object, *, type: str, audience: str, bad: Bad | None = None, **options: Unpack[MessageOptions]
    ) -> str:
        """Return the token of a message; `bad` says what is wrong with it.

        See `Sender.sign` for the other arguments.
        """
        by = Signing(self.issuer, self.key, self.clock(), audience).as_bad_as(bad)
        with Sender(by.issuer, by.key, clock=lambda: by.now) as sender:
            token = sender.sign(data, type=type, audience=by.audience, **options)
        return tampered(token) if bad is Bad.TAMPERED else token

    def message(
        self,
        url: str,
        data: object,
        *,
        type: str,
        audience: str | None = None,
        bad: Bad | None = None,
        **options: Unpack[MessageOptions],
    ) -> SignedRequest:
        """Return the request that delivers a message to an endpoint, for a test client.

        Args:
            url: the endpoint's URL as senders know it; its audience, without the query, by default.
            data, type, options: see `Sender.sign`.
            audience: for whom it is, where that is not the URL.
            bad: what is wrong with it.
        """
        audience = parse_url(url).endpoint if audience is None else audience
        token = self.sign(data, type=type, audience=audience, bad=bad, **options)
        return SignedRequest("POST", url, {"Content-Type": ENVELOPE_MEDIA_TYPE}, token.encode(), token)

    def call(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        audience: str | None = None,
        scheme: str = DEFAULT_SCHEME,
        bad: Bad | None = None,
    ) -> SignedRequest:
        """Return a signed call, for a test client.

        Args:
            method: compared letter by letter.
            url: where callers reach the service: `https://shop.example/v1/orders?dry_run=1`.
            json: anything that is JSON, or a pydantic model, for the body; None for no such body.
            content: the body itself; it needs a `Content-Type` in `headers`.
            headers: further fields; those that a caller must sign are signed.
            audience: for whom it is; the URL's origin by default.
            scheme: the authentication scheme.
            bad: what is wrong with it.

        Raises:
            SigningError: no caller could sign such a request.
        """
        fields = dict(headers or {})
        if json is not None:
            content = encode_data(json, root="json")
            fields.setdefault("Content-Type", "application/json")
        bound = _bind(method, url, fields, content, audience)
        by = Signing(self.issuer, self.key, self.clock(), bound.audience).as_bad_as(bad)
        ports = BlockingSignerPorts(by.key, lambda: by.now)
        policy = SendPolicy(by.issuer, DEFAULT_LIFETIME, MAX_HEADER_TOKEN)
        token = run(sign_call(ports, policy, bound._replace(audience=by.audience), 0.0)).token
        token = tampered(token) if bad is Bad.TAMPERED else token
        return SignedRequest(method, url, {**fields, "Authorization": f"{scheme} {token}"}, content, token)


def _bind(method: str, url: str, fields: dict[str, str], body: bytes, audience: str | None) -> Bound:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    outgoing = Outgoing(method, f"{parts.scheme}://{parts.netloc}", target.encode(), headers, body)
    return bind(outgoing, audience=audience, allow_http=True)
