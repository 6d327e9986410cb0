"""What a terminal gets to see: text without control characters, JSON, and a little colour."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg import Message
    from signedmsg.cli.problems import CommandError

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "alarm": "1;37;41"}
_NOT_ASCII_PRINTABLE: Final = re.compile(r"[^\x20-\x7e\n]")


def printable(text: str) -> str:
    r"""Write what could move the cursor, hide or turn text around as `\uXXXX`.

    Strings of a token are an attacker's until it is verified, and still a stranger's
    afterwards. Applied to JSON the result is JSON of the same value.
    """
    return _NOT_ASCII_PRINTABLE.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def dump(value: object, *, indent: int | None = None) -> str:
    """Return JSON that is safe to show; one line unless `indent` is given."""
    separators = (",", ":") if indent is None else None
    return printable(json.dumps(value, ensure_ascii=False, separators=separators, indent=indent))


def show(text: str = "") -> None:
    """Print a line of the result to stdout."""
    print(text, flush=True)


def note(text: str, *, label: str = "", style: str = "") -> None:
    """Print a line beside the result to stderr, perhaps with a coloured word before it."""
    before = f"{paint(label, style, sys.stderr)} " if label else ""
    print(before + printable(text), file=sys.stderr, flush=True)


def report(problem: CommandError) -> int:
    """Say what is wrong, and what to try; return the exit code."""
    note(f"signedmsg: {problem}")
    if problem.hint:
        note(f"  hint: {problem.hint}")
    return problem.exit_code


def colourful(stream: TextIO) -> bool:
    """Say whether to colour what goes there (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return the text in a style, where the stream (stdout by default) shows styles."""
    target: TextIO = sys.stdout if stream is None else stream
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and colourful(target) else text


def symbol(good: str, instead: str) -> str:
    """Return a character, or what stands for it where stdout cannot show it."""
    try:
        good.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return instead
    return good


def forgive_encodings() -> None:
    """Let no character that a terminal lacks end a command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if callable(reconfigure):
            reconfigure(errors="backslashreplace")


def message_members(message: Message[object]) -> Mapping[str, object]:
    """Return a verified message as JSON can write it."""
    return {
        "id": message.id,
        "type": message.type,
        "time": message.time.isoformat().replace("+00:00", "Z"),
        "subject": message.subject,
        "account": message.account,
        "data": message.data,
        "issuer": message.issuer,
        "audience": message.audience,
        "jti": message.jti,
        "issued_at": message.issued_at,
        "expires_at": message.expires_at,
        "claims": dict(message.claims),
    }
