"""`signedmsg demo`: two senders and a receiver process, real HTTP, and every attack refused."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from signedmsg._core.answers import ENVELOPE_MEDIA_TYPE
from signedmsg._ids import new_message_id
from signedmsg.cli.attacks import TABLE, Attack
from signedmsg.cli.board import Board
from signedmsg.cli.child import Child, demo_command
from signedmsg.cli.demo_messages import plan
from signedmsg.cli.demo_receiver import BILLING, HANDLED, STORE
from signedmsg.cli.demo_result import Result, Row, Seen
from signedmsg.cli.demo_world import World, publish_first, split
from signedmsg.cli.output import dump, show
from signedmsg.cli.problems import OK, REFUSED
from signedmsg.keys.signing import SigningKey
from signedmsg.sender import Sender

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence

EXAMPLES: Final = """\
examples:
  signedmsg demo
  signedmsg demo --messages 2000
  signedmsg demo --json
it listens on this machine alone, and leaves nothing behind
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--messages", type=int, default=200, metavar="N", help="how many to send (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")


def run(arguments: argparse.Namespace, command: Sequence[str] | None = None) -> int:
    """Show it, with the demo's own receiver unless another is given."""
    with _ended_like_ctrl_c():
        board = None if arguments.json else Board()
        result = perform(command or demo_command(), max(1, arguments.messages), board)
    if arguments.json:
        show(dump(result.as_json()))
    return OK if result.ok else REFUSED


@contextmanager
def _ended_like_ctrl_c() -> Generator[None]:
    """Clean up on SIGTERM too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def perform(command: Sequence[str], count: int, board: Board | None = None) -> Result:
    """Run all of it against the receiver that `command` starts; nothing of it stays behind."""
    started = time.monotonic()
    result = Result()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="signedmsg-demo-")))
        billing, store, newer = (SigningKey.generate(alg) for alg in ("ES256", "Ed25519", "ES256"))
        publish_first(folder, billing.public, store.public)
        with Child(command, folder) as receiver:
            world = World(receiver, folder, billing, store, newer)
            if board is not None:
                board.begin(world)
            _stream(world, result, count)
            if board is not None:
                board.streamed(result)
            _attack(world, result, board)
        result.handled = _handled(folder)
    result.seconds = time.monotonic() - started
    if board is not None:
        board.end(result)
    return result


def _stream(world: World, result: Result, count: int) -> None:
    """Send messages through the public API, one after the other."""
    with (
        Sender(BILLING, world.billing, dangerously_allow_http=True) as billing,
        Sender(STORE, world.store, dangerously_allow_http=True) as store,
    ):
        senders = {BILLING: billing, STORE: store}
        started = time.monotonic()
        for message in plan(count):
            id = new_message_id()
            result.sent[id] = message.data
            senders[message.issuer].send(world.receiver.url, message.data, type=message.type, id=id)
        result.stream_seconds = time.monotonic() - started
    result.streamed = count


def _attack(world: World, result: Result, board: Board | None) -> None:
    """Try everything in the table, in its order."""
    world.genuine = world.sign()
    with httpx.Client(trust_env=False) as client:
        for group, attacks in TABLE.items():
            for attack in attacks:
                row = Row(group, attack.title, attack.expected, _try(world, attack, client, result))
                result.rows.append(row)
                if board is not None:
                    board.row(row)


def _try(world: World, attack: Attack, client: httpx.Client, result: Result) -> Seen:
    body = attack.make(world)
    if attack.expected.status < 300:
        message = split(body)[1]["msg"]
        result.sent[message["id"]] = message["data"]
    response = client.post(world.receiver.url, content=body, headers={"content-type": ENVELOPE_MEDIA_TYPE})
    if response.is_success:
        return Seen(response.status_code)
    refusal = world.receiver.refusal()
    code, reason = str(refusal["code"]), str(refusal["reason"])
    return Seen(response.status_code, str(response.json().get("code")), code, reason)


def _handled(folder: Path) -> list[tuple[str, object]]:
    lines = (folder / HANDLED).read_text("utf-8").splitlines()
    return [(one["id"], one["data"]) for one in map(json.loads, lines)]
