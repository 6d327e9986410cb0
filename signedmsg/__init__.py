"""Server-to-server signed messages: wrap, sign, send — verify, once, hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg.errors import (
    AnswerError,
    BindingError,
    ClaimError,
    ConflictError,
    CredentialsMissingError,
    DeferredError,
    DeliveryError,
    HandlerError,
    InProgressError,
    InvalidKeyError,
    InvalidSignatureError,
    KeyDirectoryError,
    KeyRingError,
    LeaseLostError,
    MalformedTokenError,
    NotAllowedError,
    PayloadError,
    QuotaError,
    Reject,
    RejectedError,
    ReplayedError,
    RetryLater,
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

if TYPE_CHECKING:
    from signedmsg._core.call import Call
    from signedmsg._core.freshness import Freshness
    from signedmsg._core.health import IssuerHealth, KeySnapshot
    from signedmsg._core.message import Message
    from signedmsg._core.policy import PlainTokens
    from signedmsg._core.target import DecodedTarget
    from signedmsg._flows.handle import Outcome
    from signedmsg._flows.inbox_ports import AsyncInbox, Inbox
    from signedmsg._flows.ports import AsyncReplayCache, AsyncSigner, ReplayCache, Signer
    from signedmsg._flows.send import Sent
    from signedmsg._inboxes import AsyncLease, Lease
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.jwks import JWKSet
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory
    from signedmsg.keys.issuer import Issuer
    from signedmsg.keys.publish import DirectoryDocument
    from signedmsg.keys.ring import KeyRing, RingKey
    from signedmsg.keys.signing import SigningKey
    from signedmsg.keys.sources import ASAPRepository, Chain, Metadata
    from signedmsg.receiver import AsyncReceiver, Receiver
    from signedmsg.router import Router
    from signedmsg.sender import AsyncSender, MessageOptions, Sender
    from signedmsg.signed_answers import (
        AnswerSigner,
        AnswerVerifier,
        AsyncAnswerSigner,
        AsyncAnswerVerifier,
        Receipt,
        RequestRef,
        SignedResponse,
    )
    from signedmsg.stores.memory import MemoryReplayCache
    from signedmsg.stores.memory_inbox import MemoryInbox
    from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache
    from signedmsg.stores.sqlite_inbox import AsyncSQLiteInbox, SQLiteInbox
    from signedmsg.worker import AsyncWorker, Worker

__all__ = [
    "ASAPRepository",
    "AnswerError",
    "AnswerSigner",
    "AnswerVerifier",
    "AsyncAnswerSigner",
    "AsyncAnswerVerifier",
    "AsyncInbox",
    "AsyncKeyDirectory",
    "AsyncLease",
    "AsyncReceiver",
    "AsyncReplayCache",
    "AsyncSQLiteInbox",
    "AsyncSQLiteReplayCache",
    "AsyncSender",
    "AsyncSigner",
    "AsyncWorker",
    "BindingError",
    "Call",
    "Chain",
    "ClaimError",
    "ConflictError",
    "CredentialsMissingError",
    "DecodedTarget",
    "DeferredError",
    "DeliveryError",
    "DirectoryDocument",
    "Freshness",
    "HandlerError",
    "InProgressError",
    "Inbox",
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
    "Lease",
    "LeaseLostError",
    "MalformedTokenError",
    "MemoryInbox",
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
    "Receipt",
    "Receiver",
    "Reject",
    "RejectedError",
    "ReplayCache",
    "ReplayedError",
    "RequestRef",
    "RetryLater",
    "RingKey",
    "Router",
    "SQLiteInbox",
    "SQLiteReplayCache",
    "Sender",
    "Sent",
    "SignedMessageError",
    "SignedResponse",
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
    "Worker",
]


# Each is loaded by the first who asks for it: a program that only sends loads nothing of a receiver, and
# sqlite3 is loaded only by those who use it. Errors come at once, since they are caught by name.
_MODULES = {
    "signedmsg._core.call": ("Call",),
    "signedmsg._core.freshness": ("Freshness",),
    "signedmsg._core.health": ("IssuerHealth", "KeySnapshot"),
    "signedmsg._core.message": ("Message",),
    "signedmsg._core.policy": ("PlainTokens",),
    "signedmsg._core.target": ("DecodedTarget",),
    "signedmsg._flows.handle": ("Outcome",),
    "signedmsg._flows.inbox_ports": ("AsyncInbox", "Inbox"),
    "signedmsg._flows.ports": ("AsyncReplayCache", "AsyncSigner", "ReplayCache", "Signer"),
    "signedmsg._flows.send": ("Sent",),
    "signedmsg._inboxes": ("AsyncLease", "Lease"),
    "signedmsg._jose.jwk": ("PublicKey",),
    "signedmsg._jose.jwks": ("JWKSet",),
    "signedmsg._jose.strict_json": ("JSONValue",),
    "signedmsg.keys.directory": ("AsyncKeyDirectory", "KeyDirectory"),
    "signedmsg.keys.issuer": ("Issuer",),
    "signedmsg.keys.publish": ("DirectoryDocument",),
    "signedmsg.keys.ring": ("KeyRing", "RingKey"),
    "signedmsg.keys.signing": ("SigningKey",),
    "signedmsg.keys.sources": ("ASAPRepository", "Chain", "Metadata"),
    "signedmsg.receiver": ("AsyncReceiver", "Receiver"),
    "signedmsg.router": ("Router",),
    "signedmsg.sender": ("AsyncSender", "MessageOptions", "Sender"),
    "signedmsg.signed_answers": (
        "AnswerSigner",
        "AnswerVerifier",
        "AsyncAnswerSigner",
        "AsyncAnswerVerifier",
        "Receipt",
        "RequestRef",
        "SignedResponse",
    ),
    "signedmsg.stores.memory": ("MemoryReplayCache",),
    "signedmsg.stores.memory_inbox": ("MemoryInbox",),
    "signedmsg.stores.sqlite": ("AsyncSQLiteReplayCache", "SQLiteReplayCache"),
    "signedmsg.stores.sqlite_inbox": ("AsyncSQLiteInbox", "SQLiteInbox"),
    "signedmsg.worker": ("AsyncWorker", "Worker"),
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
