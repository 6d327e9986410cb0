"""`signedmsg receipt`: what a receiver once signed about a message, verified again, offline."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from signedmsg._core.answer_token import reference_to
from signedmsg._jose import strict_json
from signedmsg.cli.arguments import load_trust, read_input, read_token
from signedmsg.cli.output import dump, note, show
from signedmsg.cli.problems import OK, CommandError, configuring, explain
from signedmsg.errors import UnavailableError, VerificationError
from signedmsg.signed_answers import AnswerVerifier

if TYPE_CHECKING:
    import argparse

    from signedmsg.signed_answers import Receipt, RequestRef

EXAMPLES: Final = """\
examples:
  signedmsg receipt verify receipt.jwt --keys shop.json --request request.jwt
  signedmsg receipt verify receipt.jwt --keys keys.json --issuer https://shop.example --json
a receipt is judged at the time at which it was signed: keep, beside it, the request and the
receiver's keys as they were then, since a receiver may take old keys out of its directory
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "verify a receipt, at the time at which it was signed"
    verify = actions.add_parser("verify", help=summary, description=summary[0].upper() + summary[1:] + ".")
    verify.add_argument("token", nargs="?", default="-", metavar="RECEIPT", help="a file, or - for stdin (default)")
    verify.add_argument(
        "--keys", required=True, metavar="PATH", help="the receiver's keys: a JWK Set file, or a folder"
    )
    verify.add_argument(
        "--issuer",
        metavar="ISS",
        help="the receiver, which must have signed it; by default the issuer that --keys names",
    )
    verify.add_argument("--request", metavar="FILE", help="the request token that it is to answer")
    verify.add_argument("--json", action="store_true", help="print one line of JSON, refused or not")


def run(arguments: argparse.Namespace) -> int:
    """Print what the receipt says, or why it is refused."""
    token = read_token(arguments.token)
    verifier = _verifier(arguments)
    request = _request(arguments.request)
    try:
        receipt = verifier.verify_stored_receipt(token, request)
    except (VerificationError, UnavailableError) as error:
        if not arguments.json:
            raise
        show(dump({"verified": False, "code": error.code, "reason": str(error)}))
        return explain(error).exit_code
    _explain(receipt, request, time.time())
    members = {**_members(receipt), "request_compared": request is not None}
    show(dump({"verified": True, **members}) if arguments.json else dump(members, indent=2))
    return OK


def _verifier(arguments: argparse.Namespace) -> AnswerVerifier:
    arguments.issuer = arguments.issuer or _issuer_named_in(arguments.keys)
    arguments.trust, arguments.allow = [], None
    directory = load_trust(arguments, lambda _event: None)
    with configuring():
        return AnswerVerifier(directory, issuer=arguments.issuer)


def _issuer_named_in(path: str) -> str:
    """Return the issuer of a key directory document."""
    hint = "--issuer https://shop.example"
    try:
        issuer = strict_json.loads_object(read_input(path, "--keys")).get("issuer")
    except ValueError as error:
        raise CommandError(f"--keys {path}: {error}", hint=hint) from None
    if not isinstance(issuer, str):
        raise CommandError(f"--keys {path}: it does not say whose keys they are", hint=hint)
    return issuer


def _request(path: str | None) -> RequestRef | None:
    if path is None:
        return None
    try:
        return reference_to(read_token(path))
    except VerificationError as error:
        raise CommandError(f"--request {path}: {error}") from None


def _members(receipt: Receipt) -> dict[str, object]:
    return {
        "outcome": receipt.outcome,
        "message_id": receipt.message_id,
        "issuer": receipt.issuer,
        "audience": receipt.audience,
        "request_jti": receipt.request_jti,
        "request_s256": receipt.request_s256,
        "jti": receipt.jti,
        "issued_at": receipt.issued_at,
        "expires_at": receipt.expires_at,
        "kid": receipt.kid,
    }


def _explain(receipt: Receipt, request: RequestRef | None, now: float) -> None:
    signed = datetime.fromtimestamp(min(receipt.issued_at, 2**37), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ended = ", and has expired since, which takes nothing from what it says" if now > receipt.expires_at else ""
    note(f"note: judged as of {signed}, when it was signed{ended}")
    if request is None:
        note("note: without --request nothing was compared with request_jti and request_s256")
