"""`signedmsg send`: sign and send one message, or a JSON Lines file of them, in order."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from signedmsg._core.urls import parse_url
from signedmsg.cli.arguments import add_data, add_signer, load_data, load_signer
from signedmsg.cli.delivery import Delivery, Tally, ends_the_run
from signedmsg.cli.lines import Members, read_lines
from signedmsg.cli.output import dump, note, show
from signedmsg.cli.problems import OK, REFUSED, CommandError, configuring
from signedmsg.cli.progress import Progress
from signedmsg.cli.sign import add_message
from signedmsg.errors import DeliveryError, SigningError
from signedmsg.sender import Sender

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = """\
examples:
  signedmsg send https://shop.example/inbox --key billing.pem --issuer https://billing.example \\
      --type invoice.paid --data-json '{"number": 42}'
  signedmsg send https://shop.example/inbox … --type invoice.paid --lines invoices.jsonl.gz
  producer | signedmsg send https://shop.example/inbox … --lines - --type-from kind --data-from body
the audience of the tokens is the URL without its query
"""
_HINTS: Final = {
    "audience": "the receiver goes by another URL than this one: compare with its configured audience",
    "not_allowed": "the receiver does not take this type from this issuer: compare with its allow list",
    "verification_failed": "the receiver does not trust this issuer, or has not this public key: see `signedmsg jwks`",
    "unavailable": "the receiver cannot check tokens just now; try again later",
    "expired": "is this clock right?",
    "not_yet_valid": "is this clock right?",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("url", metavar="URL", help="where to send it")
    add_signer(parser)
    add_message(parser, type_required=False)
    add_data(parser, lines=True)
    parser.add_argument("--type-from", metavar="MEMBER", help="with --lines: the member that holds the type")
    parser.add_argument("--data-from", metavar="MEMBER", help="with --lines: the member that holds the data")
    parser.add_argument("--id-from", metavar="MEMBER", help="with --lines: the member that holds the message's id")
    parser.add_argument("--retries", type=int, default=2, metavar="N", help="repeat a failed attempt (default 2)")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for one attempt (default 10)")
    parser.add_argument("--dangerously-allow-http", action="store_true", help="send in the clear beyond this machine")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Send, and say what came of it."""
    _check(arguments)
    issuer, key = load_signer(arguments)
    with configuring():
        sender = Sender(
            issuer,
            key,
            lifetime=arguments.lifetime,
            account=arguments.account,
            timeout=arguments.timeout,
            dangerously_allow_http=arguments.dangerously_allow_http or _is_this_machine(arguments.url),
        )
    with sender:
        tally = Tally()
        delivery = Delivery(sender=sender, url=arguments.url, retries=arguments.retries, tally=tally)
        started = time.monotonic()
        complete = _send_lines(arguments, delivery) if arguments.lines else _send_one(arguments, delivery)
    _summarise(arguments, tally, time.monotonic() - started, complete)
    return OK if complete and tally.refused == 0 else REFUSED


def _check(arguments: argparse.Namespace) -> None:
    if arguments.type is None and arguments.type_from is None:
        raise CommandError("expected --type, or with --lines --type-from", hint="--type invoice.paid")
    if arguments.lines is None and (arguments.type_from or arguments.data_from or arguments.id_from):
        raise CommandError("--type-from, --data-from and --id-from belong to --lines")
    if arguments.lines is not None and arguments.id is not None:
        raise CommandError("--id names one message; with --lines use --id-from")
    if arguments.retries < 0:
        raise CommandError("--retries: expected 0 or more")
    try:
        scheme = parse_url(arguments.url).scheme
    except ValueError as error:
        raise CommandError(f"URL: {error}", hint="https://shop.example/inbox") from None
    if scheme == "http" and not (arguments.dangerously_allow_http or _is_this_machine(arguments.url)):
        raise CommandError(
            "URL: plain http:// is for this machine only: on the way anybody could read the message",
            hint="use https://, or --dangerously-allow-http in a network that is all yours",
        )


def _is_this_machine(url: str) -> bool:
    host = parse_url(url).host.strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _send_one(arguments: argparse.Namespace, delivery: Delivery) -> bool:
    error = delivery.deliver(load_data(arguments), type=arguments.type, id=arguments.id, subject=arguments.subject)
    if error is not None:
        _tell(error)
    return error is None


def _send_lines(arguments: argparse.Namespace, delivery: Delivery) -> bool:
    """Send the lines of a file; what was sent before something went wrong is summed up all the same."""
    with Progress(delivery.tally) as progress:
        try:
            return _send_each(arguments, delivery, progress)
        except KeyboardInterrupt:
            progress.say("interrupted: the message that was on its way may or may not have arrived")
        except CommandError as error:
            if delivery.tally.sent == 0:
                raise
            progress.say(f"signedmsg: {error}")
    return False


def _send_each(arguments: argparse.Namespace, delivery: Delivery, progress: Progress) -> bool:
    """Send line by line; stop where going on is futile, so that what follows can be sent later, in order."""
    members = Members(arguments.data_from, arguments.type_from, arguments.id_from)
    for line in read_lines(arguments.lines, members):
        if line.problem is not None:
            delivery.tally.fail("line cannot be read")
            progress.say(f"line {line.number}: {line.problem}")
            continue
        type_ = line.type or arguments.type
        error = delivery.deliver(line.data, type=type_, id=line.id, subject=arguments.subject)
        progress.update()
        if error is not None:
            progress.say(f"line {line.number}: {error}")
        if error is not None and ends_the_run(error):
            _tell(error)
            note(f"stopped at line {line.number}: it and what follows it was not accepted")
            return False
    return True


def _tell(error: SigningError | DeliveryError) -> None:
    note(f"signedmsg: not delivered: {error}" if isinstance(error, DeliveryError) else f"signedmsg: {error}")
    hint = error.hint
    if isinstance(error, DeliveryError):
        if error.status is None:
            hint = "is the receiver running, and is the URL right?"
        elif error.reply_code is None:
            hint = "something other than a signedmsg receiver answered: is the path of the URL right?"
        else:
            hint = _HINTS.get(error.reply_code, hint)
    if hint:
        note(f"  hint: {hint}")


def _summarise(arguments: argparse.Namespace, tally: Tally, seconds: float, complete: bool) -> None:
    if arguments.json:
        counts = {"sent": tally.sent, "accepted": tally.accepted, "duplicates": tally.duplicates}
        rest = {"refused": tally.refused, "retried": tally.retried, "reasons": dict(tally.reasons)}
        show(dump({**counts, **rest, "complete": complete, "seconds": round(seconds, 3)}))
        return
    rate = f", {tally.sent / seconds:.0f} a second" if tally.sent > 1 and seconds > 0 else ""
    show(f"sent {tally.sent}, accepted {tally.accepted}, duplicates {tally.duplicates}, refused {tally.refused}{rate}")
    for reason, count in tally.reasons.most_common():
        show(f"  {count} × {reason}")
