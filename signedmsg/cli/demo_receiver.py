"""The receiver that the demo starts: an application with models and handlers, in a process of its own.

Its folder holds the key directory documents; each handler appends what it was given to
`handled.jsonl` there. The process ends when its stdin does, so that it never outlives
the demo, however that ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from signedmsg import Freshness, Issuer, KeyDirectory, Message, Receiver, Router, SQLiteReplayCache
from signedmsg.cli.devserver import DevServer
from signedmsg.cli.serve import stop_on_signals
from signedmsg.cli.watch import Watch, log_json
from signedmsg.wsgi import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

BILLING: Final = "https://billing.example"
STORE: Final = "https://store.example"
ALLOWED: Final = {BILLING: ("invoice.*", "payment.refunded"), STORE: ("order.*", "customer.updated")}
PATH: Final = "/inbox"
HANDLED: Final = "handled.jsonl"
# A directory on disk is looked at once a second by default; the demo does not want to wait so long.
RECHECK: Final = 0.2


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Line(_Model):
    """One line of an invoice or order."""

    sku: str
    title: str
    quantity: int = Field(gt=0)


class Invoice(_Model):
    """What billing sends; amounts in the currency's smallest unit."""

    number: int
    customer: str
    currency: Literal["EUR", "USD", "JPY"]
    amount: int = Field(gt=0)
    lines: list[Line]


class Refund(_Model):
    """Money given back."""

    invoice: int
    amount: int = Field(gt=0)
    reason: str | None


class Order(_Model):
    """What the store sends."""

    number: int
    lines: list[Line]
    ship_to: dict[str, str]


class Customer(_Model):
    """A customer as the store knows her."""

    id: str
    name: str
    email: str
    tags: list[str]


class Ledger:
    """Writes down each message that a handler was given."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, message: Message[_Model]) -> None:
        """Append one line."""
        line = json.dumps({"id": message.id, "type": message.type, "data": message.data.model_dump(mode="json")})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()


def make_router(ledger: Ledger) -> Router:
    """Return a handler for each type that the demo sends."""
    router = Router()

    @router.on("invoice.created")
    @router.on("invoice.paid")
    def invoice(message: Message[Invoice]) -> None:
        ledger.write(message)

    @router.on("payment.refunded")
    def refunded(message: Message[Refund]) -> None:
        ledger.write(message)

    @router.on("order.placed")
    def placed(message: Message[Order]) -> None:
        ledger.write(message)

    @router.on("customer.updated")
    def updated(message: Message[Customer]) -> None:
        ledger.write(message)

    return router


def main(argv: Sequence[str]) -> None:
    """Receive until stdin ends; `argv` is the folder and the port."""
    folder = Path(argv[0])
    watch = Watch(log_json)
    issuers = [Issuer(id, allow=ALLOWED[id], keys=keys_of(folder, id)) for id in ALLOWED]
    directory = KeyDirectory(*issuers, freshness=Freshness(recheck=RECHECK), observe=watch.observe)
    with SQLiteReplayCache(folder / "replay.db") as replay, DevServer("127.0.0.1", int(argv[1])) as server:
        url = server.origin + PATH
        receiver = Receiver(url, directory, replay, observe=watch.observe)
        endpoint = Endpoint(receiver, make_router(Ledger(folder / HANDLED)))
        stop = stop_on_signals()
        threading.Thread(target=_stop_at_end_of_stdin, args=(stop,), daemon=True).start()
        log_json({"event": "ready", "url": url})
        server.run(watch.around(endpoint), PATH, watch.refuse, stop)


def keys_of(folder: Path, issuer: str) -> Path:
    """Return where an issuer's key directory document is."""
    return folder / f"{issuer.removeprefix('https://')}.json"


def _stop_at_end_of_stdin(stop: threading.Event) -> None:
    # Not through sys.stdin: a thread that waits there holds a lock that the end of the interpreter needs.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()
