"""Strict JSON: whatever RFC 8259 leaves to the parser is refused."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signedmsg._jose import strict_json

SIZE = 256 * 1024

GOOD: list[tuple[bytes, object]] = [
    (b"{}", {}),
    (b' {"a" : [1, 2.5, true, null, "x"]}\r\n\t', {"a": [1, 2.5, True, None, "x"]}),
    (b"0", 0),
    (b"-0", 0),
    (b'"\\u00e9\\ud83d\\ude00"', "\u00e9\U0001f600"),
    ('"\u00e9\U0001f600\u2028"'.encode(), "\u00e9\U0001f600\u2028"),
    (b'"\x7f\\u0000\\/"', "\x7f\x00/"),
    (b"9007199254740993", 9007199254740993),
    (b"1e308", 1e308),
    (b"1e-400", 0.0),
    (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
]
BAD = {
    "nothing": (b"", "not JSON"),
    "white space alone": (b" \n", "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "UTF-16 without a mark": ('{"a":1}'.encode("utf-16-le"), "not JSON"),
    "UTF-32": ('{"a":1}'.encode("utf-32-le"), "not JSON"),
    "a stray octet": (b'"\xff"', "not UTF-8"),
    "an overlong form": (b'"\xc0\xaf"', "not UTF-8"),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', "not UTF-8"),
    "a lone high surrogate": (b'["\\ud800"]', "surrogate"),
    "a lone low surrogate": (b'["\\udc00"]', "surrogate"),
    "surrogates the wrong way round": (b'["\\ude00\\ud83d"]', "surrogate"),
    "a lone surrogate in upper case": (b'["\\uD83D "]', "surrogate"),
    "a lone surrogate as a name": (b'{"\\ud800":1}', "surrogate"),
    "a lone surrogate in a nested name": (b'[{"a":{"\\udfff":1}}]', "surrogate"),
    "a duplicate name": (b'{"a":1,"a":1}', "duplicate member name 'a'"),
    "a duplicate name in depth": (b'[{"x":[{"a":1,"b":2,"a":3}]}]', "duplicate member name 'a'"),
    "a duplicate after unescaping": (b'{"alg":1,"\\u0061lg":2}', "duplicate member name 'alg'"),
    "an empty duplicate name": (b'{"":1,"":2}', "duplicate member name ''"),
    "a duplicate with spaces around": (b'{"a":1, "a":1}', "duplicate member name 'a'"),
    "NaN": (b'{"a":NaN}', "NaN"),
    "Infinity": (b'{"a":Infinity}', "Infinity"),
    "-Infinity": (b"-Infinity", "-Infinity"),
    "an overflowing number": (b"[1e400]", "too large"),
    "an overflowing negative number": (b"[-1e400]", "too large"),
    "an overflow without exponent": (b"1" + b"0" * 400 + b".0", "too large"),
    "an absurdly long integer": (b"1" * 5000, "4300"),
    "trailing characters": (b'{"a":1}x', "not JSON"),
    "a second value": (b"{}{}", "not JSON"),
    "a null character at the end": (b"{}\x00", "not JSON"),
    "a comment": (b"{/* */}", "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "a trailing comma": (b"[1,]", "not JSON"),
    "a leading zero": (b"01", "not JSON"),
    "a plus sign": (b"+1", "not JSON"),
    "a bare dot": (b"1.", "not JSON"),
    "hexadecimal": (b"0x10", "not JSON"),
    "a control character": (b'"\x01"', "not JSON"),
    "a line feed in a string": (b'"a\nb"', "not JSON"),
    "an unknown escape": (b'"\\x41"', "not JSON"),
    "an unterminated string": (b'"abc', "not JSON"),
    "an unterminated array": (b"[[1]", "not JSON"),
    "a no-break space": ("\u00a0{}".encode(), "not JSON"),
    "a form feed": (b"\x0c{}", "not JSON"),
    "a word": (b"True", "not JSON"),
}
HOSTILE = {
    "quotes": b'"' * SIZE,
    "backslashes": b"\\" * SIZE,
    "escaped quotes": b'"' + b'\\"' * (SIZE // 2),
    "escaped quotes and a last backslash": b'"' + b'\\"' * (SIZE // 2) + b"\\",
    "escaped backslashes": b'"' + b"\\\\" * (SIZE // 2),
    "opening brackets": b"[" * SIZE,
    "opening braces": b'{"":' * (SIZE // 4),
    "closing brackets": b"]" * SIZE,
    "pairs of brackets": b"[]" * (SIZE // 2),
    "brackets and quotes": b'["' * (SIZE // 2),
    "one unterminated string": b'["' + b"a" * SIZE,
    "strings without commas": b'["a"' + b'"a"' * (SIZE // 3),
    "digits": b"9" * SIZE,
    "fraction digits": b"0." + b"9" * SIZE,
    "exponent digits": b"1e" + b"9" * SIZE,
    "names that all differ but the last": b"{" + b"".join(b'"%x":0,' % i for i in range(26_000)) + b'"0":0}',
    "lone surrogates": b"[" + b'"\\ud83d",' * (SIZE // 10) + b"0]",
    "numbers": b"[" + b"1," * (SIZE // 2) + b"1]",
    "empty arrays": b"[" + b"[]," * (SIZE // 3) + b"[]]",
    "white space": b" " * SIZE,
}


@pytest.mark.parametrize(("data", "value"), GOOD)
def test_valid_json_is_read(data: bytes, value: object) -> None:
    assert repr(strict_json.loads(data)) == repr(value)


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_anything_ambiguous_or_malformed_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json.loads(data)


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_the_strict_parser_alone_gives_the_same_verdict(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json._loads_strictly(data)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")])
def test_exactly_the_allowed_depth_is_read(opening: bytes, closing: bytes) -> None:
    times = strict_json.MAX_DEPTH // (opening.count(b"[") + opening.count(b"{"))
    assert strict_json.loads(opening * times + b"1" + closing * times)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")])
def test_one_level_more_is_refused(opening: bytes, closing: bytes) -> None:
    times = strict_json.MAX_DEPTH // (opening.count(b"[") + opening.count(b"{"))
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        strict_json.loads(b"[" + opening * times + b"1" + closing * times + b"]")


@pytest.mark.parametrize(("data", "depth"), [(b"1", 0), (b"[]", 1), (b"[[1]]", 2), (b'{"a":[{}]}', 3)])
def test_depth_is_counted_in_brackets(data: bytes, depth: int) -> None:
    assert strict_json.loads(data, max_depth=depth) is not None
    if depth:
        with pytest.raises(ValueError, match="nested"):
            strict_json.loads(data, max_depth=depth - 1)


@pytest.mark.parametrize(
    "text",
    [b'"[[[["', b'"\\"[[[["', b'["\\\\","[[[["]', b'["\\\\\\"[[[[","{{{{"]', b'{"[[[[":"\\\\\\\\","a":"]]]]"}'],
)
def test_brackets_in_strings_are_no_depth(text: bytes) -> None:
    assert strict_json.loads(text, max_depth=1)


@pytest.mark.parametrize("text", [b'["\\\\",[[1]]]', b'["\\\\\\"",[[1]]]', b'["]]]]",[[1]]]', b'["\\"]]",[[1]]]'])
def test_a_string_does_not_hide_depth(text: bytes) -> None:
    assert strict_json.loads(text, max_depth=3)
    with pytest.raises(ValueError, match="nested"):
        strict_json.loads(text, max_depth=2)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_costs_little_time(data: bytes) -> None:
    # Where work grows with the square of the size this takes minutes.
    begun = time.thread_time()
    with contextlib.suppress(ValueError):
        strict_json.loads(data)
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_the_limit_on_digits_counts_digits_alone(sign: bytes) -> None:
    # The space has it read by the parser that counts.
    assert strict_json.loads(b" " + sign + b"9" * 4300) == int(sign + b"9" * 4300)
    with pytest.raises(ValueError, match="4300 digits"):
        strict_json.loads(b" " + sign + b"9" * 4301)


def test_a_program_that_lifted_the_limit_on_digits_is_safe_too() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(ValueError, match="4300"):
            strict_json.loads(b"[" + b"9" * SIZE + b" ]")
    finally:
        sys.set_int_max_str_digits(before)


def test_a_long_duplicate_name_is_shortened() -> None:
    with pytest.raises(ValueError, match="duplicate") as caught:
        strict_json.loads(b'{"%s":1,"%s":2}' % (b"n" * 5000, b"n" * 5000))
    assert len(str(caught.value)) < 100


def test_a_refusal_does_not_repeat_the_content() -> None:
    with pytest.raises(ValueError, match="not JSON") as caught:
        strict_json.loads(b'{"password":"hunter2",}')
    assert "hunter2" not in str(caught.value)
    assert not hasattr(caught.value, "doc")


@pytest.mark.parametrize("data", [b"[]", b"1", b'"a"', b"null", b"true"])
def test_another_value_is_no_object(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        strict_json.loads_object(data)


def test_an_object_is_an_object() -> None:
    assert strict_json.loads_object(b'{"a":[]}') == {"a": []}


def test_json_is_written_compactly_and_in_utf8() -> None:
    assert strict_json.dumps({"a": [1, "\u00e9"], "b": None}) == '{"a":[1,"\u00e9"],"b":null}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"\ud800": 1}])
def test_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are Python's own
        strict_json.dumps(value)


def test_where_depth_is_not_bounded_the_parsers_own_limit_is_a_refusal() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        strict_json.loads(b"[" * 200_000, max_depth=10**6)


def nesting(text: str) -> int:
    """Count character by character, outside of strings."""
    level = deepest = 0
    inside = escaped = False
    for each in text:
        if inside:
            inside, escaped = escaped or each != '"', each == "\\" and not escaped
        elif each == '"':
            inside = True
        else:
            level += (each in "[{") - (each in "]}")
            deepest = max(deepest, level)
    return deepest


TEXTS = st.text(st.sampled_from('[]{}"\\a:,'), max_size=12)
NESTED = st.recursive(
    TEXTS, lambda inside: st.lists(inside, max_size=5) | st.dictionaries(TEXTS, inside, max_size=5), max_leaves=60
)


@given(NESTED)
def test_depth_of_any_json_is_that_of_its_brackets_outside_of_strings(value: object) -> None:
    text = json.dumps(value)
    for enough in range(8):
        assert (strict_json.depth(text.encode(), enough) > enough) == (nesting(text) > enough)


@given(st.text(st.sampled_from('[]{}"a'), max_size=40))
def test_depth_of_what_is_no_json_is_not_undercounted_up_to_its_first_error(text: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        text = text[: error.pos]
    for enough in range(8):
        assert strict_json.depth(text.encode(), enough) > enough or nesting(text) <= enough


def test_depth_of_a_mebibyte_of_brackets_and_quotes_takes_linear_time() -> None:
    begun = time.thread_time()
    for text in (b"[" * 2**20, b"[]" * 2**19, b'"]"' * 2**18, b'["["' * 2**18, b"[[" * 2**18 + b"]]" * 2**18):
        assert strict_json.depth(text, 30) in (0, 1, 31, 2**18, 2**20)
    assert time.thread_time() - begun < 5
