"""The straight path: it takes what our senders write, only ever accepts, and says what the steps say."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signedmsg import Issuer, JWKSet, KeyDirectory, PublicKey, Receiver, Sender, SignedMessageError, SigningKey
from signedmsg._core.answer_token import reference_of
from signedmsg._core.arrival import content_digest
from signedmsg._core.straight import Proven
from signedmsg._core.verify import authenticate, parse
from signedmsg.observe import Event, MessageRefused
from tests.unit.peers import AUDIENCE, ISSUER, KEY, NOW, Clock, memory, receiver, sign

if TYPE_CHECKING:
    from pathlib import Path

    from signedmsg._core.straight import Straight

OTHER = "https://payroll.example"


def straight_of(face: Receiver) -> Straight:
    straight = face._ports.straight
    assert straight is not None
    return straight


def warmed(directory: KeyDirectory | None = None, **options: Any) -> Receiver:
    """Return a receiver that has accepted a message under the header of `KEY`."""
    face = receiver(directory=directory, **options)
    face.verify(sign())
    return face


def proves(face: Receiver, token: str | bytes) -> bool:
    return isinstance(straight_of(face).prove(token), Proven)


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def resigned(payload: bytes, *, header: dict[str, Any] | None = None, key: SigningKey = KEY) -> str:
    """Return a token over any payload at all, truly signed."""
    head = header or {"alg": key.alg, "kid": key.kid, "typ": "vnd.signedmsg+jwt"}
    signing_input = f"{b64(json.dumps(head, separators=(',', ':')).encode())}.{b64(payload)}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode()))}"


def payload_of(token: str) -> bytes:
    return unb64(token.split(".")[1])


PAYLOAD = payload_of(sign({"n": [1, "x"]}, id="m-1", subject="s", account="acme"))


def seen(face: Receiver, token: str | bytes) -> object:
    """Return all that a caller can see of a verification."""
    try:
        message = face.verify(token)
    except SignedMessageError as error:
        return type(error), error.code, str(error), error.hint
    return [getattr(message, name) for name in FIELDS]


FIELDS = ("id", "type", "time", "subject", "account", "data", "issuer", "audience", "jti", "issued_at", "expires_at")


def test_first_message_under_a_header_takes_the_steps_and_the_next_the_straight_path() -> None:
    face = receiver()
    token = sign()
    assert not proves(face, token)
    face.verify(token)
    assert proves(face, token)
    assert proves(face, sign())
    assert proves(face, sign().encode())


@pytest.mark.parametrize(
    "options",
    [
        {"subject": "invoice/1"},
        {"account": "acme"},
        {"subject": "a b", "account": "c d"},
        {"data": {"é": [1.5, None, True, {"x": "\u2028"}]}},
        {"data": "text"},
        {"data": [[[]]] * 50},
        {"id": "m-1", "until": int(NOW) + 5},
    ],
)
def test_whatever_our_senders_write_takes_the_straight_path(options: dict[str, Any]) -> None:
    token = sign(**options)
    assert proves(warmed(), token)
    assert seen(warmed(), token) == seen(receiver(), token)


@pytest.mark.parametrize("options", [{"subject": 'a "b"'}, {"subject": "é"}, {"claims": {"https://a.example/x": 1}}])
def test_what_the_pattern_does_not_cover_is_accepted_by_the_steps(options: dict[str, Any]) -> None:
    token = sign(**options)
    face = warmed()
    assert not proves(face, token)
    assert face.verify(token).issuer == ISSUER


def test_message_of_the_straight_path_is_answered_by_the_same_digest() -> None:
    token = sign()
    assert reference_of(warmed().verify(token)) == reference_of(receiver().verify(token))


def test_content_of_the_straight_path_has_the_same_digest_for_an_inbox() -> None:
    token, face = sign({"b": 1, "a": [2]}, subject="s"), warmed()
    proven = straight_of(face).prove(token)
    assert isinstance(proven, Proven)
    stepped = authenticate(parse(token, face.policy), KEY.public, face.policy, proven[1], NOW)
    assert content_digest(proven[0].content.source, {}) == content_digest(stepped.content.source, {})


@pytest.mark.parametrize("written", ["ours", "otherwise", "forged"])
def test_signature_is_tried_once_whichever_way_a_token_goes(written: str) -> None:
    public = PublicKey.from_jwk(KEY.public.to_jwk())
    check, tries = public.check, []

    def counted(signature: bytes, signing_input: bytes) -> object:
        tries.append(signature)
        return check(signature, signing_input)

    object.__setattr__(public, "_check", counted)
    face = warmed(KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(public))))
    tries.clear()
    token = sign(claims={"https://a.example/x": 1}) if written == "otherwise" else sign()
    if written == "forged":
        with pytest.raises(SignedMessageError) as caught:
            face.verify(f"{token.rpartition('.')[0]}.{b64(bytes(range(1, 65)))}")
        assert caught.value.code == "invalid_signature"
    else:
        assert face.verify(token).issuer == ISSUER
    assert len(tries) == 1


@pytest.mark.parametrize("at", range(len(b'{"iss":"'), len(f'{{"iss":"{ISSUER}","aud":')))
def test_claims_set_that_opens_otherwise_is_left_to_the_steps(at: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[at] ^= 1
    token, face = resigned(bytes(payload)), warmed()
    assert not proves(face, token)
    assert seen(face, token) == seen(receiver(), token)


@pytest.mark.parametrize("tail", [b"", b"}", b"} ", b"  ", b"]}", b"}]", b"}}}", b",}}", b'}}"', b"}},", b"}}\n"])
def test_claims_set_that_ends_otherwise_is_left_to_the_steps(tail: bytes) -> None:
    token, face = resigned(PAYLOAD[:-2] + tail), warmed()
    assert not proves(face, token)
    assert seen(face, token) == seen(receiver(), token)


def told(face: Receiver, events: list[Event], token: str) -> tuple[object, ...]:
    with pytest.raises(SignedMessageError) as caught:
        face.verify(token)
    refused = events[-1]
    assert isinstance(refused, MessageRefused)
    return caught.value.code, caught.value.explanation, refused.issuer, refused.proven


def test_refusal_behind_the_straight_path_says_as_much_as_one_of_the_steps() -> None:
    first: list[Event] = []
    later: list[Event] = []
    narrow = {"account": "acme"}
    cold, warm = receiver(observe=first.append, **narrow), receiver(observe=later.append, **narrow)
    warm.verify(sign(account="acme"))
    token = sign(account="other")
    assert proves(warm, token)
    assert told(warm, later, token) == told(cold, first, token)
    assert told(warm, later, token)[2:] == (ISSUER, True)


def headers_of(face: Receiver) -> dict[str, Any]:
    return straight_of(face)._headers


def test_genuine_token_above_the_size_cap_is_refused_as_by_the_steps() -> None:
    face = warmed(max_size=1024)
    token = sign("x" * 1024)
    assert not proves(face, token)
    assert seen(face, token) == seen(receiver(max_size=1024), token)
    assert proves(warmed(max_size=len(token)), token)
    assert not proves(warmed(max_size=len(token) - 1), token)


def test_another_issuer_that_reuses_a_kid_neither_breaks_nor_borrows_its_header() -> None:
    theirs = SigningKey.from_jwk({**SigningKey.generate().dangerously_to_jwk(), "kid": KEY.kid})
    directory = KeyDirectory(
        Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)), Issuer(OTHER, allow=["*"], keys=JWKSet(theirs.public))
    )
    face = receiver(directory=directory)
    other = Sender(OTHER, theirs, clock=Clock())
    for _ in range(3):
        assert face.verify(sign()).issuer == ISSUER
        assert face.verify(other.sign(1, type="t", audience=AUDIENCE)).issuer == OTHER
    assert proves(face, sign())
    # Theirs over our payload.
    stolen = resigned(payload_of(sign()), key=theirs)
    with pytest.raises(SignedMessageError) as caught:
        face.verify(stolen)
    assert caught.value.code == "invalid_signature"


def test_many_issuers_of_one_kid_are_all_accepted_and_few_are_remembered() -> None:
    names = [f"https://tenant-{number}.example" for number in range(40)]
    directory = KeyDirectory(*(Issuer(name, allow=["*"], keys=JWKSet(KEY.public)) for name in names))
    face = receiver(directory=directory)
    for name in names * 2:
        assert face.verify(Sender(name, KEY, clock=Clock()).sign(1, type="t", audience=AUDIENCE)).issuer == name
    assert [len(namesakes) for namesakes in headers_of(face).values()] == [8]


def test_headers_of_other_spellings_are_never_remembered() -> None:
    face = warmed()
    payload = json.loads(payload_of(sign()))
    for number, typ in enumerate(("VND.signedmsg+jwt", "application/vnd.signedmsg+jwt", "vnd.SIGNEDMSG+jwt")):
        payload["jti"] = f"another-spelling-{number}"
        header = {"alg": KEY.alg, "kid": KEY.kid, "typ": typ}
        face.verify(resigned(json.dumps(payload, separators=(",", ":")).encode(), header=header))
    assert len(headers_of(face)) == 1


def test_key_that_is_gone_revoked_or_over_no_longer_takes_the_straight_path(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [KEY.public.to_jwk()]}))
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=path), clock=clock)
    face = warmed(directory)
    assert proves(face, sign())
    path.write_text(json.dumps({"keys": []}))
    clock.now = NOW + 2
    assert not proves(face, sign())
    with pytest.raises(SignedMessageError) as caught:
        face.verify(sign())
    assert caught.value.code == "unknown_key"


def test_key_outside_its_own_times_no_longer_takes_the_straight_path() -> None:
    clock = Clock()
    key = SigningKey.from_jwk({**KEY.dangerously_to_jwk(), "exp": int(NOW) + 100})
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(key.public)))
    face = receiver(directory=directory, clock=clock)
    face.verify(sign())
    assert proves(face, sign())
    clock.now = NOW + 131
    later = sign(clock=clock)
    assert not proves(face, later)
    with pytest.raises(SignedMessageError) as caught:
        face.verify(later)
    assert caught.value.code == "key_not_valid"


def test_directory_of_another_kind_is_always_asked() -> None:
    class Mine(KeyDirectory):
        """A directory that refuses what it inherits."""

    face = Receiver(AUDIENCE, Mine(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public))), memory(), clock=Clock())
    assert face._ports.straight is None


PIECES = [
    b'"',
    b"}",
    b"{",
    b",",
    b":",
    b"\\",
    b" ",
    b"0",
    b"-",
    b'"jti":"',
    b'"x":1,',
    b"\xc3\xa9",
    b"\x00",
    b"null",
    b"1e999",
]


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Payloads that are ours, but for a few octets changed, left out, doubled or put in."""
    made = bytearray(PAYLOAD)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(made)))
        length = draw(st.integers(0, 12))
        made[at : at + length] = draw(
            st.one_of(st.sampled_from(PIECES), st.just(bytes(made[at : at + length] * 2)), st.binary(max_size=3))
        )
    return bytes(made)


@given(payloads())
def test_any_signed_payload_gets_the_verdict_of_the_steps(payload: bytes) -> None:
    token = resigned(payload)
    face = warmed()
    proven = straight_of(face).prove(token)
    assert seen(face, token) == seen(receiver(), token)
    if isinstance(proven, Proven):
        stepped = authenticate(parse(token, face.policy), KEY.public, face.policy, proven[1], NOW)
        assert content_digest(proven[0].content.source, {}) == content_digest(stepped.content.source, {})
        same = stepped.content._replace(source=proven[0].content.source, written=proven[0].content.written)
        assert proven[0] == stepped._replace(content=same)


@given(st.integers(0, 3), st.data())
def test_any_changed_token_gets_the_verdict_of_the_steps(changes: int, data: st.DataObject) -> None:
    text = list(sign())
    for _ in range(changes):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.sampled_from("AQgw09-_=+/. \né") | st.just(""))
    token = "".join(text)
    assert seen(warmed(), token) == seen(receiver(), token)
