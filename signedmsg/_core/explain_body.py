"""Whether a body that fits no digest is the one that was signed, written anew.

A digest cannot be turned back, but few layers touch a body, and each writes JSON in one of few
ways: so the received value is written in all of them, and the one whose digest was signed tells
what the caller sent.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.components import matches
from signedmsg._jose import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator

# A larger body is not written anew for an observer: 16 KiB take 15 ms, for whoever holds one genuine token.
MAX_REWRITTEN: Final = 16 * 1024

_SPACING: Final[tuple[tuple[str, int | None, tuple[str, str]], ...]] = (
    ("without spaces", None, (",", ":")),
    ("with a space after each comma and colon", None, (", ", ": ")),
    ("indented by two", 2, (",", ": ")),
    ("indented by four", 4, (",", ": ")),
)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Form(NamedTuple):
    """One way to write a JSON value, and what it makes of this one."""

    name: str
    octets: bytes


def explain_body(digests: dict[str, bytes], body: object, most: int = MAX_REWRITTEN) -> str | None:
    """Say what happened to a body on its way, as far as the signed digests tell; little of more than `most` bytes."""
    if not isinstance(body, bytes) or not digests:
        return "something added a body, or the caller signed the request before it had one" if body else None
    if not body:
        return "no body arrived: did something read it before it was verified, or a redirect drop it?"
    if len(body) > most:
        return "a layer that writes bodies anew, such as one that parses JSON, must stand behind the verification"
    for name, octets in _touched(body):
        if matches(digests, octets):
            return f"the same body, but {name}"
    try:
        value = strict_json.loads(body)
    except ValueError:
        return "its octets were changed on the way, or it was cut off"
    return _explain_json(value, body, digests)


def _touched(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what came before the usual small changes to any body, and the name of each change."""
    yield "the line break at its end was taken off on the way", body + b"\n"
    yield "the line break at its end was taken off on the way", body + b"\r\n"
    yield "white space was added around it on the way", body.strip()
    yield "its line breaks were changed on the way, from LF to CRLF", body.replace(b"\r\n", b"\n")
    yield "its line breaks were changed on the way, from CRLF to LF", body.replace(b"\n", b"\r\n")
    yield "a byte order mark was added on the way", body.removeprefix(b"\xef\xbb\xbf")
    yield "a byte order mark was taken off on the way", b"\xef\xbb\xbf" + body
    try:
        text = body.decode("utf-8")
        yield "its characters were encoded anew, from ISO 8859-1 to UTF-8", text.encode("latin-1")
    except UnicodeError:
        return


def _explain_json(value: object, body: bytes, digests: dict[str, bytes]) -> str:
    forms = list(_forms(value))
    signed = next((name for name, octets in _ended(forms) if matches(digests, octets)), None)
    if signed is None:
        return (
            "it is JSON, and in none of the usual ways to write it is it what was signed: a value was changed on the "
            "way, or a layer wrote it anew in another way"
        )
    arrived = next((name for name, octets in _ended(forms) if octets == body), None)
    came = f", and it arrived {arrived}" if arrived else ""
    return (
        f"the same JSON, written anew on the way: the caller signed it {signed}{came}. "
        "Verify the octets as they came, before anything parses them"
    )


def _ended(forms: list[Form]) -> Iterator[Form]:
    """Yield each form as it is, and with what an editor or `print` puts behind it."""
    for name, octets in forms:
        yield Form(name, octets)
        yield Form(f"{name}, with a line break at its end", octets + b"\n")


def _forms(value: object) -> Iterator[Form]:
    """Yield the usual ways to write a value; the commonest first."""
    for spacing, indent, separators in _SPACING:
        for order in ("", ", its members sorted"):
            text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=bool(order))
            yield Form(spacing + order, text.encode("utf-8", "surrogatepass"))
            if not text.isascii():
                escaped = json.dumps(value, indent=indent, separators=separators, sort_keys=bool(order))
                yield Form(f"{spacing}{order}, in ASCII with escapes", escaped.encode("ascii"))
            if indent is None:
                yield from _escaped(spacing + order, text)


def _escaped(name: str, text: str) -> Iterator[Form]:
    """Yield what PHP makes of slashes, and Go of the characters of HTML."""
    if "/" in text:
        slashes = text.replace("/", "\\/")
        yield Form(f"{name}, with escaped slashes", slashes.encode("utf-8", "surrogatepass"))
        if not text.isascii():
            ascii_only = _NOT_ASCII.sub(_utf16, slashes)
            yield Form(f"{name}, with escaped slashes, in ASCII with escapes", ascii_only.encode("ascii"))
    # Neither `/` nor these stand in JSON outside its strings.
    html = text.translate(_HTML)
    if html != text:
        yield Form(f"{name}, with <, > and & escaped", html.encode("utf-8", "surrogatepass"))


def _utf16(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]
