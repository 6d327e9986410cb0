"""Strategies: JSON values of every kind, the ways to write them, and text that is nearly JSON."""

from __future__ import annotations

from hypothesis import strategies as st

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60, max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=30
)
spellings = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (",", ":"), "ensure_ascii": False},
        {"ensure_ascii": False},
        {"indent": 1},
        {"sort_keys": True},
    ]
)
# fmt: off
PIECES = [
    "{", "}", "[", "]", ",", ":", '"', "\\", '"a"', '"b"', '"a":', '{"a":1', "[[", "]]", '"[', '"\\"', "/", "'",
    "1", "-", "0.5", "1e400", "1e5", "null", "true", "NaN", "Infinity",
]
# fmt: on
ESCAPES = ["\\u0061", "\\ud800", "\\udc00", '"\\ud83d\\ude00"', " ", "\n", "\x00", "\u00e9", "\ufeff", "9" * 30]
nearly_json = st.lists(st.sampled_from(PIECES + ESCAPES), max_size=20).map(lambda pieces: "".join(pieces).encode())
