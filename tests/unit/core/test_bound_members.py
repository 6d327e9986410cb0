"""The members of a call's token are one JSON object with one meaning, whatever the request, remembered or not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signedmsg._core.components import ORDINARY, changes_request, content_digest, meant_by, overrides_method
from signedmsg._core.compose_request import Outgoing, bind
from signedmsg._core.target import MAX_TARGET, is_ambiguous, parse_target
from signedmsg.errors import SigningError

ORIGIN = "https://shop.example"
VISIBLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
PIECES = st.sampled_from(["/", "a", "Z9", ".", "..", "~", "%2e", "%2F", ";x", "?q=1", '?a="b\\', "-", "_", "//"])


def request(target: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Outgoing:
    return Outgoing("POST", ORIGIN, target, headers, body)


@given(content_type=VISIBLE, key=VISIBLE, name=st.sampled_from([b"Idempotency-Key", b'If-"Odd\\', b"If-M\xe4tch"]))
def test_members_read_back_as_what_was_sent(content_type: str, key: str, name: bytes) -> None:
    headers = [(b"Content-Type", content_type.encode()), (b"accept", b"*/*"), (name, key.encode())]
    bound = bind(request(b'/v1/orders?q="x\\', headers, b"{}"))
    assert json.loads(b"{%b}" % bound.members) == {
        "htm": "POST",
        "htu": f"{ORIGIN}/v1/orders",
        "http": {
            "@query": '?q="x\\',
            "content-type": content_type.strip(" "),
            name.decode("latin-1").lower(): key.strip(" "),
            "content-digest": content_digest(b"{}"),
        },
    }


@given(pieces=st.lists(PIECES, max_size=8))
def test_path_is_bound_or_refused_as_the_parser_of_targets_says(pieces: list[str]) -> None:
    target = "/" + "".join(pieces)
    try:
        raw, query = parse_target(target)
        refused = is_ambiguous(raw.path if isinstance(raw.path, str) else "")
    except ValueError:
        refused = True
    if refused:
        with pytest.raises(SigningError):
            bind(request(target.encode(), []))
        return
    members = json.loads(b"{%b}" % bind(request(target.encode(), [])).members)
    assert members["htu"] == f"{ORIGIN}{raw.path}"  # type: ignore[str-bytes-safe]
    assert members["http"] == ({"@query": f"?{query}"} if query else {})


def test_path_beyond_the_cap_is_refused_however_plain() -> None:
    with pytest.raises(SigningError, match="longer than"):
        bind(request(b"/" + b"a" * MAX_TARGET, []))


def test_body_that_differs_is_bound_anew_where_all_else_is_remembered() -> None:
    headers = [(b"content-type", b"application/json")]
    first, second = (json.loads(b"{%b}" % bind(request(b"/v1", headers, body)).members) for body in (b"1", b"2"))
    assert first["http"].pop("content-digest") == content_digest(b"1")
    assert second["http"].pop("content-digest") == content_digest(b"2")
    assert first == second


def test_http_allowed_once_is_not_allowed_ever_after() -> None:
    plain = Outgoing("GET", "http://shop.example", b"/v1", [], b"")
    bind(plain, allow_http=True)
    with pytest.raises(SigningError, match="https"):
        bind(plain)


def test_body_needs_a_type_also_of_a_request_that_is_remembered() -> None:
    bind(request(b"/v2", []))
    with pytest.raises(SigningError, match="Content-Type"):
        bind(request(b"/v2", [], b"1"))


def test_credential_is_refused_also_of_a_request_that_is_remembered() -> None:
    bind(request(b"/v2", []))
    with pytest.raises(SigningError, match="credential"):
        bind(request(b"/v2", [(b"Authorization", b"Basic eDp5")]))


def test_no_ordinary_field_changes_a_request() -> None:
    assert not [name for name in ORDINARY if overrides_method(meant_by(name)) or changes_request(meant_by(name))]
