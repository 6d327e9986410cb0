"""`signedmsg inspect`: what a token says, **verified by nobody**: not who wrote it, not whether it was altered.

Tolerant on purpose, since it is for tokens that somebody else refuses; so nothing here
is used by anything that decides.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg._core.policy import ReceivePolicy
from signedmsg._core.verify import parse
from signedmsg.cli.arguments import add_token, read_token
from signedmsg.cli.output import dump, note, paint, printable, show
from signedmsg.cli.problems import OK, REFUSED, CommandError
from signedmsg.errors import VerificationError

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = """\
examples:
  signedmsg inspect token.jwt
  pbpaste | signedmsg inspect
nothing is verified: whatever it shows, anybody can have written
"""
_TIMES: Final = ("iat", "nbf", "exp", "auth_time", "updated_at", "until")
_ALARM: Final = "NOT VERIFIED:"
_WARNING: Final = "anybody can have written this; believe none of it before `signedmsg verify` does"


class Look(NamedTuple):
    """What was found in the pieces of a token."""

    header: dict[str, object] | None
    claims: object
    signature: bytes | None
    notes: list[str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_token(parser)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show header and claims, and say loudly that nothing was verified."""
    look = look_into(read_token(arguments.token).decode("utf-8", "replace"))
    now = time.time()
    note(_WARNING, label=_ALARM, style="alarm")
    if arguments.json:
        size = None if look.signature is None else len(look.signature)
        found = {"header": look.header, "claims": look.claims, "signature_bytes": size, "notes": look.notes}
        show(dump({"verified": False, **found, "times": _times(look.claims, now)}))
    else:
        _show(look, now)
    return OK if look.header is not None else REFUSED


def look_into(text: str) -> Look:
    """Return what can be read of a token, whoever minted it.

    Raises:
        CommandError: it is nothing like a compact token.
    """
    token = text.strip().strip("\"'").removeprefix("Bearer ").strip()
    pieces = token.split(".")
    _refuse_other_forms(token, len(pieces))
    notes: list[str] = []
    header = _json_of("header", pieces[0], notes)
    if len(pieces) == 5:
        notes.append("five pieces: it is encrypted (JWE), and only its header can be read")
        return Look(header if isinstance(header, dict) else None, None, None, notes)
    claims = _json_of("claims set", pieces[1], notes)
    signature = _octets("signature", pieces[2], notes) if len(pieces) > 2 else b""
    if not signature:
        notes.append("it has no signature at all")
    _note_refusal(token, notes)
    return Look(header if isinstance(header, dict) else None, claims, signature, notes)


def _refuse_other_forms(token: str, pieces: int) -> None:
    if not token:
        raise CommandError("there is no token in the input")
    if token.startswith("-----BEGIN"):
        raise CommandError("this is a PEM, not a token", hint="signedmsg jwks shows the public half of a key")
    if token.startswith("{"):
        raise CommandError(
            "this is JSON, not a compact token", hint="a compact token is three pieces with two dots between"
        )
    if pieces not in (2, 3, 5):
        raise CommandError(
            f"expected three pieces with two dots between, got {pieces}", hint="was it cut short when copied?"
        )


def _octets(name: str, piece: str, notes: list[str]) -> bytes | None:
    translated = piece.rstrip("=").replace("+", "-").replace("/", "_")
    if translated != piece:
        notes.append(f"{name}: base64 with padding or another alphabet, which JWS does not allow")
    try:
        return base64.b64decode(translated + "=" * (-len(translated) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        notes.append(f"{name}: not base64url")
        return None


def _json_of(name: str, piece: str, notes: list[str]) -> object:
    octets = _octets(name, piece, notes)
    if octets is None:
        return None

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        notes.extend(f"{name}: the member {key!r} stands twice, and readers take one or the other" for key in twice)
        return dict(pairs)

    try:
        return json.loads(octets.decode("utf-8"), object_pairs_hook=members, parse_constant=lambda name: name)
    except (ValueError, RecursionError) as error:
        notes.append(f"{name}: not JSON: {type(error).__name__}")
        return None


def _note_refusal(token: str, notes: list[str]) -> None:
    """Say what a receiver would find wrong even before it looks for the key."""
    try:
        parse(token, ReceivePolicy("any"))
    except VerificationError as error:
        notes.append(f"a receiver refuses it at first sight ({error.code}): {error}")


def _times(claims: object, now: float) -> dict[str, str]:
    """Return each time in the claims as RFC 3339, and how far it is from now."""
    members = _members(claims)
    found = {name: members.get(name) for name in _TIMES}
    found |= {f"msg.{name}": value for name, value in _members(members.get("msg")).items() if name in _TIMES}
    return {name: _moment(value, now) for name, value in found.items() if isinstance(value, int | float)}


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _moment(value: float, now: float) -> str:
    try:
        written = datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "beyond any calendar"
    return f"{written}, {relative(value - now)}"


def relative(seconds: float) -> str:
    """Return a time difference as people say it."""
    size = abs(seconds)
    units = {"day": 86400, "hour": 3600, "minute": 60}
    unit = next((unit for unit, length in units.items() if size >= 2 * length), "second")
    count = int(size // units.get(unit, 1))
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if seconds < 0 else f"in {words}"


def _show(look: Look, now: float) -> None:
    for title, value in (("header", look.header), ("claims", look.claims)):
        _section(title, dump(value, indent=2).splitlines())
    _section("times", [f"{name:<10} {moment}" for name, moment in _times(look.claims, now).items()])
    size = f"{len(look.signature)} bytes" if look.signature else "none"
    _section("signature", [f"{size}, not checked"])
    _section("notes", [f"- {printable(one)}" for one in look.notes])


def _section(title: str, lines: list[str]) -> None:
    if lines:
        show(paint(title, "bold"))
    for line in lines:
        show(f"  {line}")
