"""Server-to-server signed messages: wrap, sign, send — verify, once, hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from signedmsg.worker import AsyncWorker, Worker

if TYPE_CHECKING:
    from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache
    from signedmsg.stores.sqlite_inbox import AsyncSQLiteInbox, SQLiteInbox

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


# sqlite3 is loaded only by those who use it.
_LAZY = {
    "AsyncSQLiteInbox": "signedmsg.stores.sqlite_inbox",
    "AsyncSQLiteReplayCache": "signedmsg.stores.sqlite",
    "SQLiteInbox": "signedmsg.stores.sqlite_inbox",
    "SQLiteReplayCache": "signedmsg.stores.sqlite",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
