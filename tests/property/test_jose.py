"""Laws of text that becomes octets, JSON and tokens: round trips, one spelling, no foreign errors."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st

from signedmsg._jose import base64url, jws, strict_json
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg.errors import VerificationError
from tests.property.json_texts import ALPHABET, nearly_json, spellings, values
from tests.unit.jose.samples import ALL

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome(function: Callable[[bytes], object], data: bytes) -> str:
    try:
        return repr(function(data))
    except ValueError:
        return "refused"


@given(st.binary())
def test_decoding_undoes_encoding(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text() | st.text(ALPHABET) | st.text(ALPHABET + "=+/ \n."))
def test_what_decodes_is_what_encoding_writes(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        assert _is_not_canonical(text)
    else:
        assert base64url.encode(data) == text


def _is_not_canonical(text: str) -> bool:
    if not set(text) <= set(ALPHABET) or len(text) % 4 == 1:
        return True
    stray = {0: 1, 2: 16, 3: 4}[len(text) % 4]
    return ALPHABET.index(text[-1]) % stray != 0


@given(st.binary(), st.text(ALPHABET))
def test_both_codecs_agree(data: bytes, text: str) -> None:
    assert base64url._core_encode(data) == base64url._plain_encode(data)
    assert _octets(base64url._core_decode, text) == _octets(base64url._plain_decode, text)


def _octets(decode: Callable[[str], bytes], text: str) -> bytes | None:
    try:
        return decode(text)
    except ValueError:
        return None


@given(values, spellings)
def test_valid_json_means_what_it_means_to_json(value: object, spelling: dict[str, Any]) -> None:
    text = json.dumps(value, **spelling)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    if _has_lone_surrogates(value):
        assert outcome(strict_json.loads, data) == "refused"
    else:
        assert repr(strict_json.loads(data)) == repr(json.loads(text))


def _has_lone_surrogates(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        assert repr(strict_json.loads(strict_json.dumps(value))) == repr(value)


@given(st.binary() | nearly_json)
def test_only_a_value_error_leaves_the_parser(data: bytes) -> None:
    assert outcome(strict_json.loads, data)


@given(st.binary() | nearly_json | values.map(lambda value: json.dumps(value, separators=(",", ":")).encode()))
@example(b'{"a":1,"a":1}')
@example(b"1e400")
@example(b'"\xed\xa0\x80"')
def test_the_quick_way_gives_the_verdict_of_the_strict_parser(data: bytes) -> None:
    assert outcome(strict_json.loads, data) == outcome(strict_json._loads_strictly, data)


@given(nearly_json)
def test_whatever_is_read_is_valid_json_to_json_too(data: bytes) -> None:
    read = outcome(strict_json.loads, data)
    if read != "refused":
        assert read == repr(json.loads(data))


@given(values, st.integers(min_value=0, max_value=6))
def test_depth_is_bounded_exactly(value: object, allowed: int) -> None:
    data = json.dumps(value).encode()
    bounded = outcome(lambda text: strict_json.loads(text, max_depth=allowed), data)
    free = outcome(strict_json.loads, data)
    assert bounded == (free if _depth(value) <= allowed else "refused")


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


kids = st.text(ALPHABET + ".~:+=@/", min_size=1, max_size=128)
typs = st.none() | st.text("abcXYZ019!#$&^_.+/-", min_size=1, max_size=128)


@given(st.sampled_from(ALL), kids, typs, st.binary(min_size=1), st.binary(min_size=1))
def test_what_is_composed_is_parsed_back(alg: str, kid: str, typ: str | None, payload: bytes, signature: bytes) -> None:
    signing_input = jws.compose(alg, kid, typ, payload)
    compact = jws.parse(jws.assemble(signing_input, signature), max_size=10**6)
    assert compact.header == (alg, kid, typ)
    assert (compact.signing_input, compact.payload, compact.signature) == (signing_input, payload, signature)


@given(
    st.fixed_dictionaries(
        {"alg": st.sampled_from([*ALL, "none", "HS256", ""]) | st.none()},
        optional={"kid": kids | st.text() | st.integers(), "typ": typs | st.text() | st.none(), "crit": st.just([])},
    )
)
def test_the_pattern_for_plain_headers_gives_the_verdict_of_the_parser(header: dict[str, object]) -> None:
    written = json.dumps(header, separators=(",", ":")).encode()
    assert _header(jws._header, base64url.encode(written)) == _header(jws._unusual_header, written)


def _header(read: Callable[[Any], object], written: object) -> object:
    try:
        return read(written)
    except VerificationError as error:
        return error.code


@given(st.text() | st.binary() | st.text(ALPHABET + ".") | st.none() | st.integers())
def test_only_a_verification_error_leaves_the_token_parser(token: object) -> None:
    with contextlib.suppress(VerificationError):
        compact = jws.parse(token, max_size=1000)
        assert compact.header.alg in ALGORITHMS
        assert isinstance(compact.payload, bytes)


GOOD = jws.assemble(jws.compose("ES256", "key-1", "vnd.signedmsg+jwt", b'{"iss":"https://a.example"}'), bytes(64))


@given(st.integers(0, len(GOOD)), st.integers(0, 8), st.text(max_size=6) | st.text(ALPHABET + ".=", max_size=6))
def test_a_mutated_token_is_read_as_it_stands_or_refused(place: int, gone: int, new: str) -> None:
    mutated = GOOD[:place] + new + GOOD[place + gone :]
    try:
        compact = jws.parse(mutated, max_size=1000)
        payload = compact.payload
    except VerificationError:
        return
    # What was read, written again, is the text that came in: nothing was skipped or normalised.
    signing_input = f"{mutated.partition('.')[0]}.{base64url.encode(payload)}".encode()
    assert compact.signing_input == signing_input
    assert jws.assemble(signing_input, compact.signature) == mutated


@given(st.binary(max_size=400), st.integers(1, 300))
def test_the_opening_is_the_beginning_of_the_payload(payload: bytes, size: int) -> None:
    compact = jws.parse(jws.assemble(jws.compose("ES256", "a", None, payload + b"x"), b"s"), max_size=10_000)
    opening = compact.opening(size)
    assert compact.payload.startswith(opening)
    assert len(opening) >= min(size, len(payload) + 1)


@given(st.text(), st.text())
def test_types_compare_without_case(left: str, right: str) -> None:
    if jws.normal_typ(left) == jws.normal_typ(right):
        assert left.lower().removeprefix("application/") == right.lower().removeprefix("application/")
    if left.isascii():
        assert jws.normal_typ(left.upper()) == jws.normal_typ(left)
