"""Whatever a token says, no answer is a server error, and nothing unasked for gets in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .stage import HEADER, Stage, encode, sign, token
from .straight import call

GOOD = token()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CLAIM = st.sampled_from(["iss", "aud", "iat", "exp", "nbf", "jti", "sub", "msg", "https://x.example/c"])
MEMBER = st.sampled_from(["v", "id", "type", "time", "subject", "account", "data", "until"])
# Half of them reach the deepest checks: they are signed by a trusted key and wrong in a place or two.
SIGNED = st.builds(
    lambda claims, members: token(msg=members, **{name: value for name, value in claims.items() if name != "msg"}),
    st.dictionaries(CLAIM, JSON, max_size=2),
    st.dictionaries(MEMBER, JSON, max_size=2),
)
SIGNED_BYTES = st.binary(max_size=200).map(lambda payload: sign(HEADER, payload))
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), JSON, max_size=3).map(
    lambda changed: f"{encode({**HEADER, **changed})}.{GOOD.split('.', 1)[1]}"
)
MUTATED = st.tuples(st.integers(0, len(GOOD) - 1), st.characters(max_codepoint=255)).map(
    lambda change: GOOD[: change[0]] + change[1] + GOOD[change[0] + 1 :]
)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="abcXYZ019-_.=%", max_size=300).map(str.encode),
    st.one_of(SIGNED, HEADERS, MUTATED).map(lambda text: text.encode("latin-1", "replace")),
    SIGNED_BYTES.map(str.encode),
)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@given(body=BODIES)
def test_no_token_makes_the_server_fail(kind: str, body: bytes) -> None:
    stage = Stage(kind)
    answer = call(kind, stage.endpoint, body)
    assert answer.status in (204, 400, 401, 403, 413, 422)
    assert (answer.status == 204) == (len(stage.handled) == 1)


@given(body=st.one_of(HEADERS, MUTATED).map(lambda text: text.encode("latin-1", "replace")))
def test_token_that_was_altered_is_not_accepted(body: bytes) -> None:
    stage = Stage("wsgi")
    answer = call("wsgi", stage.endpoint, body)
    assert (answer.status == 204) == (body == GOOD.encode())
    assert stage.cache.calls == (body == GOOD.encode())


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@given(fields=st.dictionaries(st.sampled_from(["content-type", "content-encoding"]), st.text(max_size=40)))
def test_no_header_field_makes_the_server_fail(kind: str, fields: dict[str, str]) -> None:
    latin: dict[str, Any] = {
        name: value.encode("latin-1", "replace").decode("latin-1") for name, value in fields.items()
    }
    printable = tuple((name, value) for name, value in latin.items() if value.isprintable())
    assert call(kind, Stage(kind).endpoint, token().encode(), fields=printable).status in (204, 415)
