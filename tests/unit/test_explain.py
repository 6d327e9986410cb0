"""What is explained to whoever operates a receiver: each row is a refusal and the words that must be in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from signedmsg import DecodedTarget, Issuer, JWKSet, KeyDirectory, SigningKey, VerificationError
from tests.conformance.requests import BODY, JSON, ORIGIN, PATH, Arrival, bound, digest, got, posted, to
from tests.conformance.tokens import GONE, ISSUER, NOW, key

from . import calls, peers

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE: Final = {"b": 1, "a": "ü/x", "n": [1.5, None]}
COMPACT: Final = json.dumps(VALUE, separators=(",", ":"), ensure_ascii=False).encode()
SPACED: Final = json.dumps(VALUE).encode()
SORTED: Final = json.dumps(VALUE, sort_keys=True, separators=(",", ":")).encode()
PHP: Final = json.dumps(VALUE, separators=(",", ":")).replace("/", "\\/").encode()
PRETTY: Final = json.dumps(VALUE, indent=2, ensure_ascii=False).encode()


def rewritten(signed: bytes, arrived: bytes) -> Arrival:
    return posted({}, {"content-digest": digest(signed)}, body=arrived)


def typed(signed: str, *arrived: str) -> Arrival:
    return posted({}, {"content-type": signed}, fields=tuple(("Content-Type", one) for one in arrived))


def with_field(name: str, value: str, **signed: object) -> Arrival:
    return got({}, signed, fields=((name, value),))


class Row(NamedTuple):
    """A refusal of a call, and what its explanation must say."""

    arrival: Arrival
    words: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012 - read only


def row(arrival: Arrival, *words: str, **options: Any) -> Row:
    return Row(arrival, words, options)


SHOP: Final = {"external_url": f"{ORIGIN}/shop", "audience": ORIGIN}
CALLS: Final[dict[str, Row]] = {
    "json-that-got-spaces": row(
        rewritten(COMPACT, SPACED), "the same JSON", "signed it without spaces, and it arrived with a space"
    ),
    "json-that-lost-spaces": row(
        rewritten(SPACED, COMPACT), "signed it with a space after each comma and colon, in ASCII", "it arrived without"
    ),
    "json-that-was-unsorted": row(rewritten(SORTED, COMPACT), "without spaces, its members sorted, in ASCII"),
    "json-of-php": row(rewritten(PHP, COMPACT), "with escaped slashes, in ASCII"),
    "json-of-go": row(rewritten(b'{"a":"\\u003cb\\u003e"}', b'{"a":"<b>"}'), "with <, > and & escaped"),
    "json-that-was-pretty": row(rewritten(PRETTY + b"\n", COMPACT), "indented by two, with a line break at its end"),
    "json-of-another-value": row(rewritten(COMPACT, COMPACT.replace(b"1.5", b"2.5")), "a value was changed"),
    "line-break-lost": row(rewritten(BODY + b"\n", BODY), "the line break at its end was taken off"),
    "line-break-added": row(rewritten(BODY, BODY + b"\n"), "white space was added around it"),
    "crlf": row(rewritten(b"a\nb", b"a\r\nb"), "from LF to CRLF"),
    "latin-1": row(rewritten("ü".encode("latin-1"), "ü".encode()), "from ISO 8859-1 to UTF-8"),
    "byte-order-mark": row(rewritten(BODY, b"\xef\xbb\xbf" + BODY), "a byte order mark was added"),
    "body-gone": row(rewritten(BODY, b""), "no body arrived"),
    "body-cut-off": row(rewritten(BODY, BODY[:-3]), "cut off"),
    "large-body": row(rewritten(b"1" * 70_000, b"2" * 70_000), "must stand behind the verification"),
    "body-added": row(got(body=b"x"), "added a body"),
    "prefix-taken-off": row(to("/shop/v1/x", "/v1/x"), f"external_url='{ORIGIN}/shop'"),
    "prefix-added": row(to("/v1/x", "/api/v1/x"), "puts '/api' before it"),
    "prefix-not-used": row(to("/v1/x"), "did not use the prefix '/shop'", **SHOP),
    "slash-at-the-end": row(to("/v1/x/", "/v1/x"), "the slash at the end"),
    "slash-doubled": row(to("/v1/x", "/v1//x"), "a slash was doubled"),
    "path-decoded": row(to("/a%2Cb", "/a,b"), "decoded it or encoded it anew"),
    "path-encoded-twice": row(to("/a%20b", "/a%2520b"), "encoded twice"),
    "path-in-capitals": row(to("/v1/x", "/V1/X"), "upper and lower case"),
    "another-path": row(to("/v1/x", "/v1/y"), "'/v1/x' was signed, and '/v1/y' arrived"),
    "another-path-decoded": row(
        to("/shop/a%20b", DecodedTarget(b"/a b", b"")), f"external_url='{ORIGIN}/shop' says so"
    ),
    "another-origin": row(got({"htu": f"https://api.example{PATH}"}), "'https://api.example'", "external_url"),
    "another-scheme": row(got({"htu": f"http://shop.example{PATH}"}), "'http://shop.example'"),
    "query-sorted": row(to(PATH, f"{PATH}?a=1&b=2", "?b=2&a=1"), "in another order"),
    "query-encoded-anew": row(to(PATH, f"{PATH}?a=1+2", "?a=1%202"), "encoded in another way"),
    "query-lost": row(to(PATH, PATH, "?a=secret"), "it got lost on the way; it had 'a'"),
    "query-added": row(to(PATH, f"{PATH}?utm=secret"), "none was signed", "with 'utm'"),
    "query-of-another-value": row(
        to(PATH, f"{PATH}?a=secret&b=2&c=3", "?a=hidden&b=2&d=4"), "another value: 'a'", "lost: 'd'", "added: 'c'"
    ),
    "post-made-a-get": row(got({"htm": "POST"}), "'POST' was signed and 'GET' arrived: a redirect"),
    "method-in-lower-case": row(got({"htm": "get"}), "letter by letter"),
    "get-made-a-head": row(got(method="HEAD"), "some servers and caches"),
    "charset-added": row(typed(JSON, f"{JSON}; charset=utf-8"), "a charset was added on the way"),
    "boundary-changed": row(
        typed("multipart/form-data; boundary=a", "multipart/form-data; boundary=b"), "another boundary"
    ),
    "another-type": row(typed(JSON, "text/plain"), "it is of another type"),
    "type-twice": row(typed(f"{JSON}, {JSON}", JSON, JSON), "it stands 2 times"),
    "type-gone": row(typed(JSON), "took 'content-type' away"),
    "coding-added": row(with_field("Content-Encoding", "gzip"), "a layer that compresses bodies"),
    "condition-added": row(with_field("If-Match", "x"), "added after the signature"),
    "field-rewritten": row(with_field("Idempotency-Key", "secret", **{"idempotency-key": "hidden"}), "wrote"),
    "no-credential": row(got(headers=[("Authorization", "Basic x")]), "expected one Authorization field with Bearer"),
    "slash-in-the-audience": row(got({"aud": f"{ORIGIN}/"}), "names 'https://shop.example/'", "without a slash"),
    "audience-of-an-inbox": row(got({"aud": f"{ORIGIN}/inbox"}), "signed for an inbox"),
    "replayed-before-the-cache": row(got({"exp": NOW + 301}), "longer than the 300 s accepted"),
}


def refusal(verify: Callable[[], object]) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify()
    return caught.value


@pytest.mark.parametrize("one", CALLS.values(), ids=CALLS)
def test_refused_call_is_explained(one: Row) -> None:
    error = refusal(lambda: calls.verify(one.arrival, **one.options))
    assert [words for words in one.words if words not in error.explanation] == [], error.explanation
    assert "secret" not in error.explanation
    assert "hidden" not in error.explanation


def test_clock_that_is_seven_minutes_off_is_told_with_its_side() -> None:
    ahead = refusal(lambda: calls.verify(got({"iat": NOW + 420, "exp": NOW + 480})))
    behind = refusal(lambda: calls.verify(got({"iat": NOW - 420, "exp": NOW - 360})))
    assert "the sender's clock is 7 minutes ahead of the clock here" in ahead.explanation
    assert "the clock here is 7 minutes ahead of the sender's" in behind.explanation


def test_call_that_expires_while_its_body_is_read_is_explained() -> None:
    clock = peers.Clock(NOW)
    face = calls.receiver(clock=clock)
    arrival = posted()
    opened = face.open_request(arrival.method, arrival.target, arrival.all_headers)
    clock.now = NOW + 600
    assert "it was signed 10 minutes ago, for 60 s" in refusal(lambda: opened.finish(arrival.body)).explanation


def test_replay_is_explained() -> None:
    face, arrival = calls.receiver(), posted()
    take = lambda: face.verify_request(arrival.method, arrival.target, arrival.all_headers, arrival.body)  # noqa: E731
    take()
    assert "whoever tries again must sign anew" in refusal(take).explanation


AUDIENCES: Final = {
    "https://shop.example/inbox/": "they differ in the slash at the end",
    "http://shop.example/inbox": "they differ in the scheme",
    "https://shop.example:8443/inbox": "they differ in the port",
    "https://SHOP.example/inbox": "normal form",
    "https://shop.example:443/inbox": "normal form",
    "https://internal.example/inbox": "they differ in the host",
    "https://shop.example/inbox2": "they differ in the path",
    "orders": "one of them is no URL",
}


@pytest.mark.parametrize(("seen", "words"), AUDIENCES.items())
def test_audience_is_explained_by_that_in_which_it_differs(seen: str, words: str) -> None:
    from tests.conformance.tokens import envelope

    face = peers.receiver(
        directory=KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(_public()))), clock=peers.Clock(NOW)
    )
    said = refusal(lambda: face.verify(envelope({"aud": seen}))).explanation
    assert f"it names '{seen}'" in said
    assert words in said


def _public() -> Any:
    from signedmsg._jose.jwks import parse_jwk_set

    return next(iter(parse_jwk_set({"keys": [key("ES256").jwk()]})[0]))


def of_message(token: Any, **options: Any) -> str:
    return refusal(lambda: peers.receiver(**options).verify(token)).explanation


def test_unknown_kid_is_explained_with_the_kids_that_there_are() -> None:
    stranger = SigningKey.generate()
    said = of_message(peers.sender(key=stranger).sign(1, type="t", audience=peers.AUDIENCE))
    assert f"the token names '{stranger.kid}'; held of this issuer: '{peers.KEY.kid}'" in said


def test_keys_that_are_over_or_not_begun_are_told_as_such(tmp_path: Any) -> None:
    document = tmp_path / "keys.json"
    old, new = SigningKey.generate(), SigningKey.generate()
    now = int(peers.NOW)
    listed = [
        {**old.public.to_jwk(), "exp": now - 7200},
        {**new.public.to_jwk(), "nbf": now + 600},
    ]
    document.write_text(json.dumps({"keys": listed}), "utf-8")
    directory = KeyDirectory(peers.trusted(keys=document), clock=peers.Clock())
    unknown = of_message(peers.sign(), directory=directory)
    over = of_message(peers.sender(key=old).sign(1, type="t", audience=peers.AUDIENCE), directory=directory)
    assert ", read 0 s ago:" in unknown
    assert f"'{old.kid}'" in unknown
    assert f"'{old.kid}' (ended 2 hours ago)" in over


def test_revoked_key_is_told_as_such(tmp_path: Any) -> None:
    document = tmp_path / "keys.json"
    revoked = [{"kid": peers.KEY.kid, "revoked_at": int(peers.NOW) - 60}]
    document.write_text(json.dumps({"keys": [peers.KEY.public.to_jwk()], "revoked": revoked}), "utf-8")
    assert f"lists '{peers.KEY.kid}' as revoked" in of_message(
        peers.sign(), directory=KeyDirectory(peers.trusted(keys=document), clock=peers.Clock())
    )


def test_altered_token_is_told_to_be_altered_where_the_kid_is_a_thumbprint() -> None:
    head, _, signature = peers.sign().split(".")
    other = peers.sign({"number": 43}).split(".")[1]
    assert "the token was altered after it was signed, or forged" in of_message(f"{head}.{other}.{signature}")


ISSUERS: Final = {
    f"{peers.ISSUER}/": "the slash at the end",
    "https://BILLING.example": "upper and lower case",
    "http://billing.example": "the scheme",
    "billing.example": "the scheme",
    "https://other.example": "nobody of that name",
}


@pytest.mark.parametrize(("claimed", "words"), ISSUERS.items())
def test_unknown_issuer_is_compared_with_the_trusted_ones(claimed: str, words: str) -> None:
    from signedmsg import Sender

    token = Sender(claimed, peers.KEY, clock=peers.Clock()).sign(1, type="t", audience=peers.AUDIENCE)
    said = of_message(token)
    assert f"it says '{claimed}'" in said
    assert words in said


def test_credential_of_a_call_at_an_inbox_is_told_as_such() -> None:
    assert "this is the credential of a call" in of_message(bound())


def test_message_in_a_call_is_told_as_such() -> None:
    arrival = got(token=peers.sign())
    assert "this is a message" in refusal(lambda: calls.verify(arrival)).explanation


@pytest.mark.parametrize(
    ("came", "words"),
    [('{"token":"x"}', "JSON came"), ('"a.b.c"', "in quotes"), (b"Bearer a.b.c", "begins with Bearer")],
)
def test_what_is_no_token_is_told_by_its_beginning(came: Any, words: str) -> None:
    assert words in of_message(came)


def test_error_that_nothing_more_is_known_of_explains_itself_by_its_text_and_hint() -> None:
    error = VerificationError("no good", hint="try another")
    assert error.explanation == "no good (try another)"


def test_observer_finds_the_explanation_on_the_event() -> None:
    events: list[Any] = []
    refusal(lambda: peers.receiver(observe=events.append).verify(peers.sign(clock=peers.Clock(peers.NOW - 600))))
    assert "10 minutes ahead" in events[0].error.explanation


def test_document_without_a_bound_field_is_not_guessed_at() -> None:
    arrival = got({}, {"x-unknown": "1", "content-type": GONE})
    assert refusal(lambda: calls.verify(arrival)).explanation
