"""JSON with one meaning only: the single gate for headers, claims sets and key sets.

Two parsers that read one text differently are an attack surface, so whatever RFC 8259
leaves to the parser is refused here: duplicate names, NaN, numbers too large for a
float, lone surrogates, a byte order mark, encodings other than UTF-8.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import accumulate
from typing import Final, NoReturn, TypeAlias

from pydantic_core import from_json, to_json

JSONValue: TypeAlias = "dict[str, JSONValue] | list[JSONValue] | str | int | float | bool | None"

MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 4300

_NOT_SKELETON: Final = bytes(set(range(256)) - set(b'"[]{}'))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
# How often pairs are taken out before it is cheaper to count.
_PASSES: Final = 64
# An opening bracket counts one up, a closing one (as a signed byte) one down.
_STEPS: Final = bytes.maketrans(b"[]", b"\x01\xff")


def loads(data: bytes, *, max_depth: int = MAX_DEPTH) -> JSONValue:
    """Parse one JSON text; arrays and objects may be nested `max_depth` deep.

    Raises:
        ValueError: and nothing else; its text names what is wrong, never the content.
    """
    # Before parsing: how deep a parser itself can go differs between their versions.
    if depth(data, max_depth) > max_depth:
        raise ValueError(f"nested more than {max_depth} deep")
    try:
        return loads_compact(data, max_depth)
    except ValueError:
        return _loads_strictly(data)


def loads_compact(data: bytes, max_depth: int) -> JSONValue:
    """Parse one JSON text that is written as `dumps` writes it, the quick way.

    Raises:
        ValueError: it is not; then `loads` finds out whether it has one meaning all the same.
    """
    if depth(data, max_depth) > max_depth:
        raise ValueError("nested too deep")
    value: JSONValue = from_json(data, allow_inf_nan=False)
    # Written out again, a text with a duplicate name has lost it, a number that overflowed is
    # another word, and white space and needless escapes are gone: equality leaves one meaning only.
    if to_json(value) != data:
        raise ValueError("not written as it would be")
    return value


def _loads_strictly(data: bytes) -> JSONValue:
    # Decoded here, since `json.loads(bytes)` guesses UTF-16 and UTF-32 as well (RFC 8259 §8.1).
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark")
    try:
        value: JSONValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # Not passed on: the original carries the whole document.
        raise ValueError(f"not JSON: {error.msg} (character {error.pos})") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def loads_object(data: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, JSONValue]:
    """Parse one JSON text that is an object.

    Raises:
        ValueError: as `loads`, or it is another JSON value.
    """
    value = loads(data, max_depth=max_depth)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def dumps(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8.

    Raises:
        ValueError: NaN, an infinity, a lone surrogate or a circular reference.
        TypeError: something that JSON has no form for.
    """
    return _ENCODER.encode(value).encode("utf-8")


def depth(data: bytes, enough: int) -> int:
    """Return how deep brackets nest up to the first syntax error, in linear time.

    It is exact up to `enough`, and beyond only known to be beyond; 0 when there are so few brackets
    that nothing need be counted. Whatever follows that error is never parsed, so it does not matter
    that quotes and backslashes may be misread there.
    """
    skeleton = data.translate(_ONE_KIND, _NOT_SKELETON)
    if skeleton.count(b"[") <= enough:
        return 0
    if b"\\" in data:
        skeleton = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_ONE_KIND, _NOT_SKELETON)
    # With the escaped quotes gone, a string without a bracket is two quotes. If no others are left, all
    # brackets are outside of strings; else every other piece between quotes is.
    brackets = skeleton.replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(skeleton.split(b'"')[::2])
    return _nesting(brackets, enough)


def _nesting(brackets: bytes, enough: int) -> int:
    """Return how deep they nest: as often as the innermost pairs can be taken out, where nothing but pairs is there."""
    left = brackets
    for levels in range(_PASSES):
        if not left or levels > enough:
            return levels
        fewer = left.replace(b"[]", b"")
        if fewer == left:
            break
        left = fewer
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)


def _refuse_lone_surrogates(value: JSONValue) -> None:
    """Refuse half of a surrogate pair, in a name or a value: it is no character (RFC 8259 §8.2)."""
    try:
        dumps(value)
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate") from None


def _unique(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"duplicate member name {name[:64]!r}")
    return members


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number too large for a float")
    return value


def _bounded(text: str) -> int:
    # Python has this limit too, but a program may have lifted it, and the work grows with its square.
    if len(text.removeprefix("-")) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name}")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_int=_bounded, parse_constant=_refuse_constant
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
