"""Ports: what the flows need from the world, as protocols.

A *public* port (`ReplayCache`, `Signer` and their async twins; `Inbox` in `inbox_ports`) is
what another person implements. Each says how it waits, so that an async face can refuse one
that would block its event loop: `never`, `blocks` or `suspends`.
"""

from __future__ import annotations

from typing import Literal, Protocol

Waits = Literal["never", "blocks", "suspends"]


class ReplayCache(Protocol):
    """Remembers token ids, so that no token is accepted twice.

    Attributes:
        waits: `never` when `add` only touches memory, `blocks` when it does I/O.
        shared: whether several processes that use it see the same ids.
        durable: whether ids survive a restart of the process.
    """

    @property
    def waits(self) -> Literal["never", "blocks"]: ...
    @property
    def shared(self) -> bool: ...
    @property
    def durable(self) -> bool: ...

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only, atomically.

        Args:
            key: 16 bytes that stand for (issuer, jti).
            keep: how long to remember it, in seconds on the cache's own clock.
            issuer: whose quota the id counts against.
            issued_at: when the token counts as signed, in Unix seconds. A cache that was
                made, or lost its memory, after that moment cannot know whether the token
                was here before.

        Raises:
            StoreError: the cache is full, unreachable, or lost what it knew: `issued_at`
                is before its birth.
            QuotaError: this issuer's share is full.
        """
        ...


class AsyncReplayCache(Protocol):
    """The async twin of `ReplayCache`: `add` suspends."""

    @property
    def waits(self) -> Literal["suspends"]: ...
    @property
    def shared(self) -> bool: ...
    @property
    def durable(self) -> bool: ...

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """See `ReplayCache.add`."""
        ...


class Signer(Protocol):
    """Something that signs: a `SigningKey`, or a client of a KMS or HSM.

    Attributes:
        alg: the JWS algorithm name (RFC 7518, RFC 9864, RFC 9964), such as `ES256`.
        kid: the key's id in the issuer's directory.
    """

    @property
    def alg(self) -> str: ...
    @property
    def kid(self) -> str: ...

    def sign(self, signing_input: bytes, /) -> bytes:
        """Return the raw JWS signature over `signing_input` (for ECDSA: r‖s, RFC 7518 §3.4)."""
        ...


class AsyncSigner(Protocol):
    """The async twin of `Signer`."""

    @property
    def alg(self) -> str: ...
    @property
    def kid(self) -> str: ...

    async def sign(self, signing_input: bytes, /) -> bytes:
        """See `Signer.sign`."""
        ...
