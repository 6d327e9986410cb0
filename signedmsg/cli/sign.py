"""`signedmsg sign`: one message, one token, for any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._core.policy import DEFAULT_LIFETIME, MAX_LIFETIME
from signedmsg.cli.arguments import add_data, add_signer, load_data, load_signer
from signedmsg.cli.output import dump, show
from signedmsg.cli.problems import OK, configuring
from signedmsg.sender import Sender

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = """\
examples:
  signedmsg sign --key billing.pem --issuer https://billing.example \\
      --audience https://shop.example/inbox --type invoice.paid --data-json '{"number": 42}'
  signedmsg sign … --data invoice.json > token.jwt
  signedmsg sign --ring ring --audience … --type invoice.paid --data invoice.json
anybody who sees the token can read it: it is signed, not encrypted
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_signer(parser)
    parser.add_argument("--audience", required=True, metavar="AUD", help="for whom: the receiver's URL, or its name")
    add_message(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="print the token in a JSON object")


def add_message(parser: argparse.ArgumentParser, *, type_required: bool = True) -> None:
    """Add the options that describe a message."""
    lifetime = f"how long the token is valid, in seconds (default {DEFAULT_LIFETIME}, at most {MAX_LIFETIME})"
    type_help = "what kind of message it is, such as invoice.paid"
    parser.add_argument("--type", required=type_required, metavar="TYPE", help=type_help)
    parser.add_argument("--id", metavar="ID", help="the message's id (default: a new UUIDv7)")
    parser.add_argument("--subject", metavar="TEXT", help="what it is about")
    parser.add_argument("--account", metavar="TEXT", help="whose data it is, where a platform signs for many")
    parser.add_argument("--lifetime", type=int, default=DEFAULT_LIFETIME, metavar="SECONDS", help=lifetime)


def run(arguments: argparse.Namespace) -> int:
    """Print the token."""
    issuer, key = load_signer(arguments)
    with configuring():
        sender = Sender(issuer, key, lifetime=arguments.lifetime, account=arguments.account)
    token = sender.sign(
        load_data(arguments),
        type=arguments.type,
        audience=arguments.audience,
        id=arguments.id,
        subject=arguments.subject,
    )
    show(dump({"token": token}) if arguments.json else token)
    return OK
