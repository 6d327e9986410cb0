"""`signedmsg verify`: one token, checked as a receiver checks it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg.cli.arguments import add_token, add_trust, load_trust, read_token
from signedmsg.cli.output import dump, message_members, note, show
from signedmsg.cli.problems import OK, configuring, explain
from signedmsg.errors import UnavailableError, VerificationError
from signedmsg.receiver import Receiver
from signedmsg.stores.memory import MemoryReplayCache

if TYPE_CHECKING:
    import argparse

    from signedmsg._flows.ports import ReplayCache

EXAMPLES: Final = """\
examples:
  signedmsg verify token.jwt --audience https://shop.example/inbox \\
      --issuer https://billing.example --keys keys.json --allow 'invoice.*'
  signedmsg verify - … --replay seen.db < token.jwt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_token(parser)
    parser.add_argument("--audience", required=True, metavar="AUD", help="for whom the token must be: this receiver")
    add_trust(parser)
    parser.add_argument("--account", metavar="TEXT", help="the account whose messages are taken")
    parser.add_argument("--replay", metavar="DB", help="an SQLite file that remembers tokens, so that each passes once")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, refused or not")


def run(arguments: argparse.Namespace) -> int:
    """Print the message, or say why the token is refused."""
    token = read_token(arguments.token)
    directory = load_trust(arguments)
    with ExitStack() as opened:
        replay = _open_replay(arguments.replay, opened)
        with configuring():
            receiver = Receiver(
                arguments.audience, directory, replay, account=arguments.account, observe=lambda _event: None
            )
        try:
            message = receiver.verify(token)
        except (VerificationError, UnavailableError) as error:
            if not arguments.json:
                raise
            show(dump({"verified": False, "code": error.code, "reason": str(error), "public_code": error.public_code}))
            return explain(error).exit_code
    members = message_members(message)
    show(dump({"verified": True, **members}) if arguments.json else dump(members, indent=2))
    return OK


def _open_replay(path: str | None, opened: ExitStack) -> ReplayCache:
    """Return the cache in an SQLite file, or one that forgets when the command ends."""
    if path is None:
        note("note: without --replay nothing is remembered, so a token that was seen before is not recognised")
        # Every token was signed before this command started, so a fresh memory would refuse them all.
        return MemoryReplayCache(dangerously_accept_earlier=True)
    from signedmsg.stores.sqlite import SQLiteReplayCache

    if not Path(path).exists():
        note(f"note: {path} is new: a token that was seen before is recognised only from now on")
    with configuring(f"--replay {path}"):
        # The token in hand is older than a file made for it; that it may be a replay was just said.
        return opened.enter_context(SQLiteReplayCache(path, dangerously_accept_earlier=True))
