"""Whichever way JSON was written and written anew, the explanation finds out; and never of another value."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signedmsg._core.explain_body import explain_body

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
WAYS = st.fixed_dictionaries(
    {
        "separators": st.sampled_from([(",", ":"), (", ", ": ")]),
        "sort_keys": st.booleans(),
        "ensure_ascii": st.booleans(),
    }
)


def explained(signed: bytes, arrived: bytes) -> str | None:
    return explain_body({"sha-256": sha256(signed).digest()}, arrived)


@given(VALUES, WAYS, WAYS, st.sampled_from(["", "\n"]))
def test_json_written_anew_is_recognised(value: Any, first: Any, second: Any, end: str) -> None:
    signed = (json.dumps(value, **first) + end).encode()
    # Sorting loses an order that nothing of what arrives tells any more.
    arrived = json.dumps(json.loads(signed), **{**second, "sort_keys": first["sort_keys"]}).encode()
    said = explained(signed, arrived)
    assert signed == arrived or (said is not None and ("the same JSON" in said or "the same body" in said))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_other_octets_are_never_called_the_same(signed: bytes, arrived: bytes) -> None:
    said = explained(signed, arrived)
    assert said is not None
    if "the same JSON" in said:
        assert json.loads(signed) == json.loads(arrived)
