"""Strategies: any JSON value that can be sent faithfully, what cannot, and where in a value it stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 30

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(["4111111111111111", "\u2028", "\x00", "\U0010ffff", "é", '"', "\\", "</script>", "\ufeff"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def depth_of(value: object) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    return 0 if members is None else 1 + max(map(depth_of, members), default=0)


def wrapped(value: Any, steps: list[Any]) -> Any:
    """Put a value into a list (for an integer step) or an object (for a name) for each step, the first outermost."""
    for step in reversed(steps):
        value = [None] * step + [value, 0] if isinstance(step, int) else {"a": 1, "z": [], step: value}
    return value


STEPS = st.lists(st.integers(0, 3) | st.text(max_size=6) | st.sampled_from(["~", "/", "~1", "a/b", "é"]), max_size=20)
VALUES = st.builds(wrapped, TREES, STEPS).filter(lambda value: depth_of(value) <= MAX_DEPTH)

# None of these has a JSON form that every reader reads as the same value.
UNFAITHFUL = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        10**400,
        b"bytes",
        bytearray(b"x"),
        {1, 2},
        frozenset(),
        1j,
        Decimal("1.5"),
        datetime(2027, 1, 1, tzinfo=UTC),
        UUID(int=1),
        "\ud800",
        "a\udfffb",
        object(),
        int,
        range(3),
        memoryview(b""),
    ]
)
# Here the object that holds the name is at fault.
BAD_MEMBERS = st.sampled_from([{1: "x"}, {None: 1}, {True: 1}, {1.5: 1}, {("a",): 1}, {"\ud800": 1}, {b"a": 1}])


class Flaw(NamedTuple):
    """A value with one thing in it that cannot be sent, and the JSON Pointer (RFC 6901) of its place."""

    value: Any
    path: str


def flaw(steps: list[Any], fault: Any) -> Flaw:
    return Flaw(wrapped(fault, steps), "".join(f"/{escaped(step)}" for step in steps))


def escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


FLAWS = st.builds(flaw, STEPS, UNFAITHFUL | BAD_MEMBERS)


def same(one: object, other: object) -> bool:
    """Say whether two values are equal and of the same JSON types: 1, 1.0 and True are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
