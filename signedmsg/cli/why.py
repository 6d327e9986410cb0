"""`signedmsg explain`: each step of a verification, passed or failed, and why in a sentence."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from signedmsg._core.call_policy import DEFAULT_MAX_BODY, DEFAULT_SCHEME, call_policy, problem_of_scheme
from signedmsg._core.policy import ReceivePolicy, check
from signedmsg.cli.arguments import add_trust, load_trust, read_input, read_token
from signedmsg.cli.output import dump, note, paint, printable, show
from signedmsg.cli.problems import OK, REFUSED, CommandError, configuring
from signedmsg.cli.rawrequest import looks_like_a_request, parse_field, read_request, target_of
from signedmsg.cli.trace import Directory, Step, Trace
from signedmsg.cli.trace_call import Arrived, trace_call
from signedmsg.cli.trace_message import trace_message

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = """\
examples:
  signedmsg explain token.jwt --audience https://shop.example/inbox \\
      --issuer https://billing.example --keys keys.json
  signedmsg explain request.http --audience https://shop.example --issuer … --keys …
  signedmsg explain token.jwt --method POST --url /v1/transfers \\
      --header 'Content-Type: application/json' --body body.json --audience … --issuer … --keys …
request.http is a whole request as it arrived: request line, header fields, an empty line, the body;
nothing is recorded, so what is explained can still be received
"""
_STYLES: Final = {"passed": "green", "failed": "red", "not checked": "dim"}
_WORDS: Final = {"passed": "passed", "failed": "FAILED", "not checked": "-"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "token", nargs="?", default="-", metavar="FILE", help="a token or a whole HTTP request: a file, or - for stdin"
    )
    parser.add_argument("--audience", required=True, metavar="AUD", help="for whom it must be: this receiver")
    add_trust(parser)
    parser.add_argument("--at", metavar="TIME", help="when it arrived: Unix seconds or RFC 3339 (default: now)")
    parser.add_argument("--account", metavar="TEXT", help="the account whose messages are taken")
    call = parser.add_argument_group("for a call whose token is in FILE")
    call.add_argument("--method", help="the method of the request that arrived (default: GET)")
    call.add_argument("--url", help="its URL or path, as it arrived, with the query")
    call.add_argument("--header", action="append", default=[], metavar="FIELD", help="one of its fields: 'Name: value'")
    call.add_argument("--body", metavar="FILE", help="its body, octet by octet")
    call.add_argument("--external-url", metavar="URL", help="where callers reach the receiver's root (see Receiver)")
    call.add_argument("--scheme", default=DEFAULT_SCHEME, help="the authentication scheme (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the steps, and why those that failed did."""
    written = _read(arguments.token)
    directory = Directory(load_trust(arguments, lambda _event: None))
    now = _moment(arguments.at)
    with configuring():
        policy = ReceivePolicy(arguments.audience, account=arguments.account)
    arrived = _arrived(arguments, written)
    if arrived is None:
        trace = Trace(policy, directory, now)
        trace_message(trace, policy, _token(written))
    else:
        with configuring():
            check((problem_of_scheme(arguments.scheme),))
            calls = call_policy(policy, arguments.external_url, arguments.scheme, DEFAULT_MAX_BODY)
        trace = Trace(calls, directory, now)
        trace_call(trace, calls, arrived)
    _print(trace, as_json=arguments.json)
    return REFUSED if trace.failures else OK


def _read(path: str) -> bytes:
    # Where a token stands in the place of a path, `read_token` says why that is refused.
    return read_token(path) if path.startswith("eyJ") else read_input(path, "FILE")


def _moment(written: str | None) -> float:
    if written is None:
        return time.time()
    try:
        return float(written) if written.replace(".", "", 1).isdigit() else datetime.fromisoformat(written).timestamp()
    except ValueError:
        raise CommandError("--at: expected Unix seconds or a time of RFC 3339", hint="2026-11-23T13:24:00Z") from None


def _arrived(arguments: argparse.Namespace, written: bytes) -> Arrived | None:
    """Return the request when this is about a call, else None."""
    if looks_like_a_request(written):
        request = read_request(written)
        fields = {name.lower() for name, _ in request.headers}
        return None if "authorization" not in fields and _is_message(request) else request
    if arguments.url is None and arguments.method is None:
        return None
    if arguments.url is None:
        raise CommandError("--url: expected the path and query of the request", hint="--url /v1/transfers")
    token = _token(written).decode("latin-1")
    headers = [("Authorization", f"{arguments.scheme} {token}"), *map(parse_field, arguments.header)]
    body = b"" if arguments.body is None else read_input(arguments.body, "--body")
    return Arrived(arguments.method or "GET", target_of(arguments.url), headers, body)


def _is_message(request: Arrived) -> bool:
    types = [value for name, value in request.headers if name.lower() == "content-type"]
    return any(value.lower().startswith("application/vnd.signedmsg+jwt") for value in types)


def _token(written: bytes) -> bytes:
    if looks_like_a_request(written):
        return read_request(written).body.strip()
    return written.strip()


def _print(trace: Trace, *, as_json: bool) -> None:
    if as_json:
        steps = [
            {"step": one.number, "what": one.name, "verdict": one.verdict, "code": one.code, "text": one.explanation}
            for one in trace.steps
        ]
        show(dump({"refused": bool(trace.failures), "at": trace.now, "steps": steps}))
        return
    for step in trace.steps:
        _print_step(step)
    if not trace.failures:
        note("nothing here refuses it")
    elif trace.failures[-1] is trace.steps[-1]:
        note("what comes after that cannot be told")


def _print_step(step: Step) -> None:
    word = paint(f"{_WORDS[step.verdict]:<6}", _STYLES[step.verdict])
    code = f" ({step.code})" if step.code else ""
    why = f": {step.explanation}" if step.verdict == "not checked" else ""
    show(f"{step.number:>4}  {word}  {step.name}{code}{why}")
    if step.verdict == "failed" and step.explanation:
        show(f"              {printable(step.explanation)}")
