"""Compact serialisation: a closed header set, sizes checked first, one spelling only."""

from __future__ import annotations

import json

import pytest

from signedmsg._jose import base64url, jws
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg.errors import (
    MalformedTokenError,
    SigningError,
    TooLargeError,
    UnsupportedTokenError,
    VerificationError,
)

HEADER = {"alg": "ES256", "kid": "key-1", "typ": "vnd.signedmsg+jwt"}
COMPACT = '{"alg":"ES256","kid":"key-1","typ":"vnd.signedmsg+jwt"}'
PAYLOAD = '{"iss":"https://a.example"}'
SIGNATURE = "A" * 86


def b64(text: str | bytes) -> str:
    return base64url.encode(text.encode() if isinstance(text, str) else text)


def token(header: object = HEADER, payload: str = b64(PAYLOAD), signature: str = SIGNATURE) -> str:
    written = header if isinstance(header, str | bytes) else json.dumps(header)
    return f"{b64(written)}.{payload}.{signature}"


def parse(text: object, max_size: int = 10_000) -> jws.Compact:
    return jws.parse(text, max_size=max_size)


GOOD = token()
MALFORMED: dict[str, object] = {
    "nothing": "",
    "one segment": "abc",
    "one dot": ".",
    "two dots": "..",
    "two segments": GOOD.rpartition(".")[0],
    "four segments": GOOD + ".AAAA",
    "six segments": GOOD + ".AAAA.AAAA.AAAA",
    "an empty header": "." + GOOD.partition(".")[2],
    "an empty payload": token(payload=""),
    "an empty signature": token(signature=""),
    "a leading dot": "." + GOOD,
    "a trailing dot": GOOD + ".",
    "a leading space": " " + GOOD,
    "a trailing line feed": GOOD + "\n",
    "a line feed in the header": GOOD[:5] + "\n" + GOOD[5:],
    "padding in the header": GOOD.replace(".", "=.", 1),
    "padding in the signature": GOOD + "==",
    "plain base64 in the signature": token(signature="+" + SIGNATURE[1:]),
    "stray bits in the signature": token(signature=SIGNATURE[:-1] + "B"),
    "a signature of an impossible length": token(signature=SIGNATURE + "AAA"),
    "a letter outside ASCII": GOOD[:-1] + "\u00e9",
    "a digit outside ASCII": GOOD[:-1] + "\u0661",
    "octets outside ASCII": GOOD.encode() + b"\xff",
    "JSON serialisation": json.dumps({"payload": b64(PAYLOAD), "protected": b64("{}"), "signature": SIGNATURE}),
    "JSON serialisation with dots": json.dumps({"payload": "a.b.c", "signatures": []}),
    "a quoted token": f'"{GOOD}"',
    "a credential": f"Bearer {GOOD}",
    "None": None,
    "a number": 7,
    "a list": [GOOD],
    "a bytearray": bytearray(GOOD.encode()),
    "an object": object(),
    "a header that is no JSON": token("{"),
    "a header that is an array": token("[]"),
    "a header that is null": token("null"),
    "a header that is a string": token('"x"'),
    "a header in UTF-16": token(json.dumps(HEADER).encode("utf-16-le")),
    "a header with a byte order mark": token(b"\xef\xbb\xbf" + json.dumps(HEADER).encode()),
    "a header with trailing characters": token(json.dumps(HEADER) + "x"),
    "a compact header with trailing characters": token(COMPACT + "x"),
    "a compact header with a second one": token(COMPACT * 2),
    "a compact header with leading characters": token("x" + COMPACT),
    "a header with a trailing null": token(json.dumps(HEADER) + "\x00"),
    "a header that is not UTF-8": token(b'{"alg":"\xff"}'),
    "a header with a duplicate alg": token('{"alg":"ES256","alg":"ES256","kid":"a"}'),
    "a header with a duplicate after unescaping": token('{"alg":"ES256","\\u0061lg":"ES256","kid":"a"}'),
    "a header with NaN": token('{"alg":NaN}'),
    "a header that is too deep": token('{"alg":' + "[" * 40 + "]" * 40 + "}"),
    "no alg": token({"kid": "a"}),
    "an alg that is null": token({**HEADER, "alg": None}),
    "an alg that is a number": token({**HEADER, "alg": 256}),
    "an alg that is a list": token({**HEADER, "alg": ["ES256"]}),
    "no kid": token({"alg": "ES256"}),
    "a kid that is null": token({**HEADER, "kid": None}),
    "a kid that is a number": token({**HEADER, "kid": 1}),
    "an empty kid": token({**HEADER, "kid": ""}),
    "a kid that is too long": token({**HEADER, "kid": "k" * 129}),
    "a kid with a space": token({**HEADER, "kid": "a b"}),
    "a kid with SQL in it": token({**HEADER, "kid": "a' OR '1'='1"}),
    "a kid with a null character": token({**HEADER, "kid": "a\x00"}),
    "a kid with a line feed": token({**HEADER, "kid": "a\n"}),
    "a kid outside ASCII": token({**HEADER, "kid": "\u00e9"}),
    "a typ that is null": token({**HEADER, "typ": None}),
    "a typ that is a number": token({**HEADER, "typ": 1}),
    "a typ that is a list": token({**HEADER, "typ": ["JWT"]}),
}
UNSUPPORTED: dict[str, tuple[object, str]] = {
    "a JWE": ("a.b.c.d.e", "JWE"),
    "a JWE with direct key agreement": (b64('{"alg":"ECDH-ES","enc":"A256GCM"}') + "..a.b.c", "JWE"),
    "alg none": (token({**HEADER, "alg": "none"}), "'none'"),
    "alg none in another case": (token({**HEADER, "alg": "nOnE"}), "'nOnE'"),
    "alg HS256": (token({**HEADER, "alg": "HS256"}), "'HS256'"),
    "alg in lower case": (token({**HEADER, "alg": "es256"}), "'es256'"),
    "alg with a space": (token({**HEADER, "alg": "ES256 "}), "'ES256 '"),
    "alg ES256K": (token({**HEADER, "alg": "ES256K"}), "'ES256K'"),
    "an empty alg": (token({**HEADER, "alg": ""}), "''"),
    **{
        f"the member {name}": (token({**HEADER, name: value}), f"'{name}'")
        for name, value in {
            "crit": ["exp"],
            "b64": False,
            "jku": "https://a.example/keys",
            "jwk": {"kty": "oct", "k": "AA"},
            "x5u": "https://a.example/cert",
            "x5c": ["MII"],
            "x5t": "AA",
            "x5t#S256": "AA",
            "zip": "DEF",
            "enc": "A256GCM",
            "epk": {},
            "p2c": 1,
            "cty": "JWT",
            "iss": "https://a.example",
            "ALG": "ES256",
            "": 1,
        }.items()
    },
}


def test_a_token_is_taken_apart() -> None:
    compact = parse(GOOD)
    assert compact.header == ("ES256", "key-1", "vnd.signedmsg+jwt")
    assert compact.signing_input == GOOD.rpartition(".")[0].encode()
    assert compact.payload == PAYLOAD.encode()
    assert compact.signature == bytes(64) + b"\x00" * (len(base64url.decode(SIGNATURE)) - 64)


def test_text_and_octets_are_the_same_token() -> None:
    assert parse(GOOD.encode()).header == parse(GOOD).header
    assert parse(GOOD.encode()).signing_input == parse(GOOD).signing_input


def test_the_signing_input_is_what_was_received_not_what_we_would_write() -> None:
    spaced = token('{ "typ" : "JWT",\r\n "kid":"a", "alg":"ES256" }')
    assert parse(spaced).signing_input == spaced.rpartition(".")[0].encode()


def test_a_header_is_read_whatever_its_order_and_escapes() -> None:
    assert parse(token('{"typ":"\\u004aWT","\\u0061lg":"ES256","kid":"a\\/b"}')).header == ("ES256", "a/b", "JWT")


def test_a_token_may_have_no_typ() -> None:
    assert parse(token({"alg": "ES256", "kid": "a"})).header.typ is None


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_token_is_refused(text: object) -> None:
    with pytest.raises(MalformedTokenError) as caught:
        parse(text)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(("text", "named"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_not_supported_is_refused_and_named(text: object, named: str) -> None:
    with pytest.raises(UnsupportedTokenError, match=named.replace("#", r"\#")) as caught:
        parse(text)
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("payload", ["AB", "A", "AAAAA", "AA==", "A+AA", "A/AA", "AA AA", "AA\nAA", '{"a":1}'])
def test_a_payload_of_another_spelling_is_refused_when_it_is_read(payload: str) -> None:
    compact = parse(token(payload=payload))
    with pytest.raises(MalformedTokenError, match="payload"):
        _ = compact.payload


def test_the_payload_is_decoded_once() -> None:
    compact = parse(GOOD)
    assert compact.payload is compact.payload


@pytest.mark.parametrize("size", [1, 2, 3, 4, 17, 26, 27, 28, 1000])
def test_the_opening_of_a_payload_is_at_least_what_was_asked_for(size: int) -> None:
    opening = parse(GOOD).opening(size)
    assert PAYLOAD.encode().startswith(opening)
    assert len(opening) >= min(size, len(PAYLOAD))


def test_the_opening_does_not_look_at_the_rest() -> None:
    assert parse(token(payload="A" * 400 + "=")).opening(300) == bytes(300)


def test_the_opening_is_strict_too() -> None:
    with pytest.raises(MalformedTokenError, match="payload"):
        parse(token(payload="A=" * 300)).opening(30)


def test_a_token_of_just_the_cap_is_read() -> None:
    assert parse(GOOD, max_size=len(GOOD)).header.alg == "ES256"


@pytest.mark.parametrize("text", [GOOD, GOOD.encode(), "\u00e9" * 10_000, "{" * 10_000, b"\xff" * 10_000])
def test_a_token_beyond_the_cap_is_refused_before_anything_else(text: str | bytes) -> None:
    with pytest.raises(TooLargeError) as caught:
        parse(text, max_size=len(text) - 1)
    assert caught.value.code == "too_large"


def test_a_header_of_just_one_kibibyte_is_read() -> None:
    assert parse(token(json.dumps(HEADER).ljust(1024))).header.kid == "key-1"


def test_a_header_beyond_one_kibibyte_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse(token(json.dumps(HEADER).ljust(1025)))


@pytest.mark.parametrize("text", [*MALFORMED.values(), *(text for text, _ in UNSUPPORTED.values())])
def test_a_refusal_does_not_repeat_the_token(text: object) -> None:
    with pytest.raises(VerificationError) as caught:
        parse(text)
    assert SIGNATURE not in str(caught.value)
    assert len(str(caught.value)) < 160


def test_a_long_foreign_member_is_shortened() -> None:
    with pytest.raises(UnsupportedTokenError) as caught:
        parse(token({**HEADER, "m" * 800: 1}))
    assert len(str(caught.value)) < 120


def test_the_header_is_written_in_one_order_and_compactly() -> None:
    signing_input = jws.compose("ES256", "key-1", "vnd.signedmsg+jwt", b"{}")
    written = base64url.decode(signing_input.decode().partition(".")[0])
    assert written == b'{"alg":"ES256","kid":"key-1","typ":"vnd.signedmsg+jwt"}'


def test_without_a_typ_none_is_written() -> None:
    written = base64url.decode(jws.compose("ES256", "a", None, b"{}").decode().partition(".")[0])
    assert written == b'{"alg":"ES256","kid":"a"}'


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("typ", [None, "JWT", "vnd.signedmsg+jwt", "application/vnd.signedmsg.req+jwt"])
def test_what_is_composed_is_parsed_back(alg: str, typ: str | None) -> None:
    signing_input = jws.compose(alg, "A-Z.a_z~0:9+@=/", typ, b"payload")
    compact = parse(jws.assemble(signing_input, b"signature"))
    assert compact.header == (alg, "A-Z.a_z~0:9+@=/", typ)
    assert (compact.signing_input, compact.payload) == (signing_input, b"payload")
    assert compact.signature == b"signature"


@pytest.mark.parametrize("alg", ["none", "HS256", "es256", "", 'ES256","kid":"x'])
def test_an_unknown_alg_is_not_signed_for(alg: str) -> None:
    with pytest.raises(SigningError, match="alg") as caught:
        jws.compose(alg, "a", None, b"{}")
    assert caught.value.code == "signing"


@pytest.mark.parametrize("kid", ["", "a b", 'a","alg":"none', "a\\", "\u00e9", "k" * 129, "a\n"])
def test_a_kid_that_no_receiver_accepts_is_not_signed_for(kid: str) -> None:
    with pytest.raises(SigningError, match="kid"):
        jws.compose("ES256", kid, None, b"{}")


@pytest.mark.parametrize("typ", ["", "a b", 'a","b":"', "a\\", "\u00e9", "t" * 129, "a\n"])
def test_a_typ_that_is_no_media_type_is_not_signed_for(typ: str) -> None:
    with pytest.raises(SigningError, match="typ"):
        jws.compose("ES256", "a", typ, b"{}")


@pytest.mark.parametrize(
    ("typ", "normal"),
    [
        ("vnd.signedmsg+jwt", "vnd.signedmsg+jwt"),
        ("VND.signedmsg+JWT", "vnd.signedmsg+jwt"),
        ("application/vnd.signedmsg+jwt", "vnd.signedmsg+jwt"),
        ("Application/VND.signedmsg+JWT", "vnd.signedmsg+jwt"),
        ("text/plain", "text/plain"),
        ("application/a/b", "application/a/b"),
        ("application/application/x", "application/application/x"),
        ("", ""),
        ("\u212a", "\u212a"),
    ],
)
def test_types_compare_without_case_and_without_the_default_prefix(typ: str, normal: str) -> None:
    assert jws.normal_typ(typ) == normal
