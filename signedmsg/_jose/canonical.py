"""Canonical JSON (RFC 8785): one byte string for one value, whichever serialiser wrote it.

Integers beyond 2^53 are written with all their digits, where RFC 8785 would round them
to a double: two that differ must not look the same.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from signedmsg._jose.strict_json import JSONValue

_WORDS: Final = {None: "null", True: "true", False: "false"}


def canonical(value: JSONValue) -> bytes:
    """Return the canonical form of a value that `strict_json` has read."""
    return _write(value).encode("utf-8")


def _write(value: JSONValue) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, (int, float)):
        return str(value) if isinstance(value, int) else _number(value)
    if isinstance(value, list):
        return "[" + ",".join([_write(item) for item in value]) + "]"
    # §3.2.3: by UTF-16 code units, which above U+FFFF is another order than that of code points.
    members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
    return "{" + ",".join([f"{encode_basestring(name)}:{_write(item)}" for name, item in members]) + "}"


def _number(value: float) -> str:
    """Write a float as ECMAScript does (§3.2.2.3): Python finds the same shortest digits."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = (whole + fraction).lstrip("0")
    # Where the point stands, counted from the first digit that is not zero.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(padded))
    digits = padded.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"
