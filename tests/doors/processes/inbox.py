"""A WSGI application for several worker processes: what it handles becomes lines of a file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from signedmsg import Issuer, JSONValue, KeyDirectory, Message, Receiver, Router, SQLiteReplayCache
from signedmsg.wsgi import Endpoint

FOLDER = Path(os.environ["INBOX_FOLDER"])

router = Router()


@router.on("invoice.paid", dict)
def paid(message: Message[dict[str, JSONValue]]) -> None:
    line = json.dumps([os.getpid(), message.id, message.data]) + "\n"
    handle = os.open(FOLDER / "handled.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)
    # Long enough on the processor that another worker takes the next request.
    end = time.monotonic() + 0.005
    while time.monotonic() < end:
        pass


receiver = Receiver(
    os.environ["INBOX_AUDIENCE"],
    KeyDirectory(Issuer("https://billing.example", allow=["invoice.*"], keys=FOLDER / "keys.json")),
    SQLiteReplayCache(FOLDER / "replay.db"),
    processes=2,
    max_size=16 * 1024,
)
application = Endpoint(receiver, router)
