"""What type checkers must say of the public API: run by mypy and pyright, never imported.

A line that must be an error carries an `ignore`; both checkers are told to report an
ignore that is not needed, so that the error cannot quietly go away.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, assert_type

from pydantic import BaseModel

from signedmsg import (
    ASAPRepository,
    AsyncKeyDirectory,
    AsyncReceiver,
    AsyncReplayCache,
    AsyncSender,
    AsyncSigner,
    AsyncSQLiteReplayCache,
    Call,
    Chain,
    DirectoryDocument,
    Freshness,
    Issuer,
    IssuerHealth,
    JSONValue,
    JWKSet,
    KeyDirectory,
    KeyRing,
    KeySnapshot,
    MemoryReplayCache,
    Message,
    Metadata,
    Outcome,
    PublicKey,
    Receiver,
    ReplayCache,
    Router,
    Sender,
    Sent,
    Signer,
    SigningKey,
    SQLiteReplayCache,
    asgi,
    wsgi,
)
from signedmsg.aws_lambda import signed as for_lambda
from signedmsg.signed_answers import AnswerSigner

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx


class Invoice(BaseModel):
    number: int


class KMS:
    """Somebody's signer."""

    alg = "ES256"
    kid = "k-1"

    def sign(self, signing_input: bytes, /) -> bytes:
        return signing_input


class AsyncKMS:
    """Somebody's async signer."""

    alg = "ES256"
    kid = "k-1"

    async def sign(self, signing_input: bytes, /) -> bytes:
        return signing_input


class DynamoReplayCache:
    """Somebody's replay cache."""

    waits: Literal["blocks"] = "blocks"
    shared = True
    durable = True

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        return bool(key and keep and issuer and issued_at)


key = SigningKey.generate()
signers: Sequence[Signer] = (key, KMS())
async_signers: Sequence[AsyncSigner] = (AsyncKMS(),)
caches: Sequence[ReplayCache] = (MemoryReplayCache(), SQLiteReplayCache("replay.db"), DynamoReplayCache())
async_caches: Sequence[AsyncReplayCache] = (AsyncSQLiteReplayCache("replay.db"),)

issuer = Issuer("https://a.example", allow=["invoice.*"], keys=JWKSet(key.public))
receiver = Receiver("https://b.example/inbox", KeyDirectory(issuer), DynamoReplayCache())
async_receiver = AsyncReceiver("https://b.example/inbox", AsyncKeyDirectory(issuer), MemoryReplayCache())
router = Router()


def send(sender: Sender) -> None:
    assert_type(sender.sign({"n": 1}, type="t", audience="https://b.example/inbox", subject="s"), str)
    assert_type(sender.send("https://b.example/inbox", Invoice(number=1), type="t", id="1"), Sent)
    sender.sign({}, type="t", audience="a", sub="s")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    Sender("https://a.example", AsyncKMS())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def send_async(sender: AsyncSender) -> None:
    assert_type(await sender.send("https://b.example/inbox", {}, type="t"), Sent)
    # A forgotten await is an error.
    sender.send("https://b.example/inbox", {}, type="t")  # type: ignore[unused-coroutine] # pyright: ignore[reportUnusedCoroutine]


def rotate(ring: KeyRing, document: DirectoryDocument) -> None:
    Sender("https://a.example", ring)
    AsyncSender("https://a.example", ring)
    assert_type(ring.current(), SigningKey)
    asgi.PublishedKeys(ring)
    wsgi.PublishedKeys(document)
    wsgi.PublishedKeys(JWKSet())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ring.activate("kid", True)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def discover(client: httpx.Client, async_client: httpx.AsyncClient) -> None:
    places = Chain("keys.json", "https://a.example/k", Metadata("https://a.example/m"), JWKSet())
    Issuer("https://a.example", allow=[])
    Issuer("a", allow=[], keys=ASAPRepository("https://keys.example", prefix="a/"))
    issuer = Issuer("https://a.example", allow=[], keys=places)
    with KeyDirectory(issuer, client=client, freshness=Freshness(hard=0)) as directory:
        assert_type(directory.find("https://a.example", "k"), PublicKey)
        assert_type(directory.health(), Mapping[str, IssuerHealth])
        assert_type(directory.snapshot("https://a.example"), KeySnapshot)
    AsyncKeyDirectory(issuer, client=client)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    KeyDirectory(issuer, client=async_client)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def discover_async(directory: AsyncKeyDirectory) -> None:
    assert_type(await directory.find("https://a.example", "k"), PublicKey)
    # A forgotten await is an error.
    directory.refresh("https://a.example")  # type: ignore[unused-coroutine] # pyright: ignore[reportUnusedCoroutine]


def receive(token: str) -> None:
    assert_type(receiver.verify(token), Message[JSONValue])
    message = receiver.verify(token, Invoice)
    assert_type(message, Message[Invoice])
    assert_type(message.data.number, int)
    assert_type(receiver.handle(token, router), Outcome)
    Receiver("https://b.example", KeyDirectory(issuer))  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    Receiver("https://b.example", KeyDirectory(issuer), async_caches[0])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Issuer("https://a.example", keys=JWKSet())  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def receive_async(token: str) -> None:
    assert_type(await async_receiver.verify(token, Invoice), Message[Invoice])


@router.on("invoice.paid")
def paid(message: Message[Invoice]) -> None:
    assert_type(message.data.number, int)


@router.on("invoice.sent", Invoice)
async def sent(message: Message[Invoice]) -> None:
    assert_type(message.data, Invoice)


def not_a_message(data: Invoice) -> None:
    """A handler of bare data could be called with data nobody verified."""


router.on("x", Invoice)(not_a_message)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


answers = AnswerSigner("https://b.example", SigningKey.generate())


@for_lambda(receiver, answers=answers)
def report(call: Call[object], context: object) -> int:
    return call.issued_at


@for_lambda(receiver, Invoice, answers=answers)
def order(call: Call[Invoice], context: object) -> int:
    return call.data.number
