"""Payloads: what can be sent faithfully, and what the models say of what arrived."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_serializer

from signedmsg import SigningError
from signedmsg._core.payload import MAX_DATA_DEPTH, encode_data
from signedmsg._jose import strict_json


class Colour(enum.StrEnum):
    RED = "red"


class Count(enum.IntEnum):
    ONE = 1


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


FAITHFUL: dict[str, tuple[Any, bytes]] = {
    "null": (None, b"null"),
    "true": (True, b"true"),
    "text": ("é\u2028", '"é\u2028"'.encode()),
    "largest-integer": (2**53 - 1, b"9007199254740991"),
    "smallest-integer": (-(2**53) + 1, b"-9007199254740991"),
    "sixteen-digits-in-a-string": ("4111111111111111", b'"4111111111111111"'),
    "float": (0.1, b"0.1"),
    "long-float": (0.30000000000000004, b"0.30000000000000004"),
    "minus-zero": (-0.0, b"-0.0"),
    "tuple": (("a", 1), b'["a",1]'),
    "string-enum": ([Colour.RED], b'["red"]'),
    "integer-enum": ([Count.ONE], b"[1]"),
    "string-enum-as-a-name": ({Colour.RED: 1}, b'{"red":1}'),
    "empty-object": ({}, b"{}"),
}


@pytest.mark.parametrize(("value", "written"), FAITHFUL.values(), ids=FAITHFUL)
def test_faithful_value_is_written(value: Any, written: bytes) -> None:
    assert encode_data(value) == written


def test_data_may_be_nested_thirty_deep() -> None:
    assert encode_data(nested(MAX_DATA_DEPTH)) == b"[" * 30 + b"]" * 30
    assert encode_data({"x": [[]] * 40})


@pytest.mark.parametrize("depth", [31, 1000, 100_000])
def test_data_nested_deeper_is_refused(depth: int) -> None:
    with pytest.raises(SigningError, match="deeper than 30") as caught:
        encode_data(nested(depth))
    assert caught.value.path == "/0" * 30


def test_data_that_contains_itself_is_refused_where_it_does() -> None:
    value: dict[str, Any] = {"a": {}}
    value["a"]["b"] = value
    with pytest.raises(SigningError, match="contains itself") as caught:
        encode_data(value)
    assert caught.value.path == "/a/b"


def test_same_object_in_two_places_is_no_circle() -> None:
    one = [1]
    assert encode_data([one, one]) == b"[[1],[1]]"


class Stranger:
    """Equal to everything, and no JSON."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass
class Record:
    n: int


@pytest.mark.parametrize("value", [Stranger(), Record(1), Record, {1, 2}, b"x", BaseModel], ids=repr)
def test_object_that_is_no_json_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(SigningError, match=r"^data/a/1: a \w+ is not JSON") as caught:
        encode_data({"a": [0, value]})
    assert caught.value.path == "/a/1"


def test_name_that_is_no_str_is_refused_though_json_would_make_it_one() -> None:
    with pytest.raises(SigningError, match="must be a str, not int"):
        encode_data({1: "one", "1": "uno"})


class Inner(BaseModel):
    n: int


class Invoice(BaseModel):
    number: int = Field(alias="no")
    lines: list[Inner] = []


def test_model_is_written_by_alias() -> None:
    assert encode_data(Invoice(no=1, lines=[Inner(n=2)])) == b'{"no":1,"lines":[{"n":2}]}'


class Loose(BaseModel):
    value: Any


@pytest.mark.parametrize(
    "value", [float("nan"), [float("inf")], {"a": (1, -float("inf"))}, 2**53, "\ud800", b"\xff", object()], ids=repr
)
def test_model_that_holds_what_cannot_be_sent_is_refused(value: Any) -> None:
    with pytest.raises(SigningError):
        encode_data(Loose(value=value))


def test_model_with_a_nan_is_refused_where_it_stands() -> None:
    with pytest.raises(SigningError) as caught:
        encode_data(Loose(value={"a": [None, float("nan")]}))
    assert caught.value.path == "/value/a/1"


def test_null_of_a_model_stays_null() -> None:
    assert encode_data(Loose(value=[None, 1.5])) == b'{"value":[null,1.5]}'


class Failing(BaseModel):
    n: int

    @field_serializer("n")
    def fail(self, value: int) -> int:
        raise LookupError("inside the caller's own serializer")


def test_model_whose_serializer_fails_is_refused_as_the_signers_fault() -> None:
    with pytest.raises(SigningError, match="cannot be written"):
        encode_data(Failing(n=1))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_written_as_one_text_that_reads_back_the_same(value: Any) -> None:
    written = encode_data(value)
    assert strict_json.loads(written) == value
    assert json.loads(written) == value


@pytest.mark.parametrize(
    "value", ["1234567890123456", [1.1234567890123456], ["9" * 40], {"0" * 16: 1}, 9007199254740991, -1e300]
)
def test_many_digits_are_no_large_integer_by_themselves(value: Any) -> None:
    assert json.loads(encode_data(value)) == value


@pytest.mark.parametrize("value", [2**53, -(2**53), [2**53], {"n": 2**64}, [1, {"a": [10**40]}]])
def test_large_integer_is_found_wherever_it_stands(value: Any) -> None:
    with pytest.raises(SigningError, match="2\\^53"):
        encode_data(value)


def test_wide_data_of_many_levels_each_shallow_is_written() -> None:
    assert json.loads(encode_data([{"a": [[1]]}] * 200)) == [{"a": [[1]]}] * 200
