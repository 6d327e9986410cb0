"""A Flask application whose every path takes signed calls only, for gunicorn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, request

from signedmsg import Issuer, KeyDirectory, Receiver, SQLiteReplayCache
from signedmsg.flask import current_call, signed

FOLDER = Path(os.environ["CALLS_FOLDER"])
NOW = float(os.environ["CALLS_NOW"])

receiver = Receiver(
    "https://shop.example",
    KeyDirectory(Issuer("https://billing.example", allow=["*"], keys=FOLDER / "keys.json")),
    SQLiteReplayCache(FOLDER / "replay.db", clock=lambda: NOW - 3600),
    clock=lambda: NOW,
)
application = Flask(__name__)


@application.route("/", defaults={"rest": ""}, methods=["GET", "POST", "PUT"])
@application.route("/<path:rest>", methods=["GET", "POST", "PUT"])
@signed(receiver)
def call(rest: str) -> dict[str, Any]:
    seen = current_call()
    same = request.get_data() == seen.body
    return {"target": seen.target, "served": f"/{rest}", "same_body": same, "size": len(seen.body)}
