"""Server-to-server signed messages: wrap, sign, send — verify, once, hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.freshness import Freshness
from signedmsg._core.health import IssuerHealth, KeySnapshot
from signedmsg._core.message import Message
from signedmsg._core.policy import PlainTokens
from signedmsg._flows.handle import Outcome
from signedmsg._flows.ports import AsyncReplayCache, AsyncSigner, ReplayCache, Signer
from signedmsg._flows.send import Sent
from signedmsg._jose.jwk import PublicKey
from signedmsg._jose.jwks import JWKSet
from signedmsg._jose.strict_json import JSONValue
from signedmsg.errors import (
    ClaimError,
    DeliveryError,
    HandlerError,
    InvalidKeyError,
    InvalidSignatureError,
    KeyDirectoryError,
    KeyRingError,
    MalformedTokenError,
    NotAllowedError,
    PayloadError,
    QuotaError,
    ReplayedError,
    SignedMessageError,
    SigningError,
    StoreError,
    TooLargeError,
    UnavailableError,
    UnknownIssuerError,
    UnknownKeyError,
    UnknownTypeError,
    UnsupportedTokenError,
    VerificationError,
)
from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory
from signedmsg.keys.issuer import Issuer
from signedmsg.keys.publish import DirectoryDocument
from signedmsg.keys.ring import KeyRing, RingKey
from signedmsg.keys.signing import SigningKey
from signedmsg.keys.sources import ASAPRepository, Chain, Metadata
from signedmsg.receiver import AsyncReceiver, Receiver
from signedmsg.router import Router
from signedmsg.sender import AsyncSender, MessageOptions, Sender
from signedmsg.stores.memory import MemoryReplayCache

if TYPE_CHECKING:
    from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache

__all__ = [
    "ASAPRepository",
    "AsyncKeyDirectory",
    "AsyncReceiver",
    "AsyncReplayCache",
    "AsyncSQLiteReplayCache",
    "AsyncSender",
    "AsyncSigner",
    "Chain",
    "ClaimError",
    "DeliveryError",
    "DirectoryDocument",
    "Freshness",
    "HandlerError",
    "InvalidKeyError",
    "InvalidSignatureError",
    "Issuer",
    "IssuerHealth",
    "JSONValue",
    "JWKSet",
    "KeyDirectory",
    "KeyDirectoryError",
    "KeyRing",
    "KeyRingError",
    "KeySnapshot",
    "MalformedTokenError",
    "MemoryReplayCache",
    "Message",
    "MessageOptions",
    "Metadata",
    "NotAllowedError",
    "Outcome",
    "PayloadError",
    "PlainTokens",
    "PublicKey",
    "QuotaError",
    "Receiver",
    "ReplayCache",
    "ReplayedError",
    "RingKey",
    "Router",
    "SQLiteReplayCache",
    "Sender",
    "Sent",
    "SignedMessageError",
    "Signer",
    "SigningError",
    "SigningKey",
    "StoreError",
    "TooLargeError",
    "UnavailableError",
    "UnknownIssuerError",
    "UnknownKeyError",
    "UnknownTypeError",
    "UnsupportedTokenError",
    "VerificationError",
]


def __getattr__(name: str) -> object:
    # sqlite3 is loaded only by those who use it.
    if name in ("AsyncSQLiteReplayCache", "SQLiteReplayCache"):
        from signedmsg.stores import sqlite

        return getattr(sqlite, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
