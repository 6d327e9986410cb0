"""Whatever arrives as a request, `verify_request` answers with a call or one of the project's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from signedmsg import (
    AsyncReceiver,
    BindingError,
    Call,
    DecodedTarget,
    KeyDirectory,
    Receiver,
    UnavailableError,
    VerificationError,
)
from signedmsg._core.target import decoded, has_escaped_separator, is_ambiguous, normal_path
from signedmsg._flows.run import run
from tests.conformance.requests import ORIGIN, PATH, Arrival, bound, digest, got, posted, to
from tests.conformance.table import BILLING, Seen
from tests.conformance.tokens import NOW, dump

from .values import TREES, VALUES, same

if TYPE_CHECKING:
    from collections.abc import Mapping


class Memory(Seen):
    waits = "never"
    shared = True
    durable = True


class Transfer(BaseModel):
    amount: int


def quiet(_: object) -> None:
    """Observe nothing."""


def faces() -> tuple[Receiver, AsyncReceiver]:
    directory = KeyDirectory(BILLING)
    options: dict[str, Any] = {"clock": lambda: NOW, "observe": quiet}
    return Receiver(ORIGIN, directory, Memory(), **options), AsyncReceiver(ORIGIN, directory, Memory(), **options)


Verdict = tuple[Any, ...]


def shown(call: Call[Any]) -> Verdict:
    return (Call, *(getattr(call, name) for name in ("issuer", "method", "target", "data", "body")), dict(call.bound))


def verdict(arrival: Arrival, *model: Any) -> Verdict:
    """Return what both faces say, which is the same; any other exception is a bug and leaves."""
    blocking, suspending = faces()
    parts = (arrival.method, arrival.target, arrival.all_headers, arrival.body, *model)
    found: list[Verdict] = []
    for verify in (blocking.verify_request, lambda *all: run(suspending.verify_request(*all))):
        try:
            found.append(shown(verify(*parts)))
        except (VerificationError, UnavailableError) as error:
            found.append((type(error), error.code, error.explanation))
    assert found[0] == found[1]
    return found[0]


ANY = (
    st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.lists(st.text(max_size=4), max_size=3)
    | st.builds(object)
    | st.builds(DecodedTarget, st.binary(max_size=9) | st.none(), st.binary(max_size=9) | st.text(max_size=3))
)
NAMES = st.sampled_from(
    ["Authorization", "content-type", "CONTENT-ENCODING", "If-Match", "x-a", "X-HTTP-Method", "host", ""]
) | st.text(max_size=8)
FIELDS = st.lists(
    st.tuples(NAMES | NAMES.map(lambda name: name.encode("utf-8", "replace")), st.text(max_size=12)), max_size=5
)
TARGETS = st.text("/ab.%2eEfF5cC?;#\\~ é\n", max_size=14) | st.sampled_from([PATH, "*", f"{ORIGIN}{PATH}", ""])
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "aud", "iat", "exp", "jti", "htm", "htu", "http", "sub", "x"]),
    TREES | st.integers(NOW - 400, NOW + 400) | TARGETS.map(lambda path: ORIGIN + path),
    max_size=2,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["@query", "content-type", "content-digest", "x-a", "@path", "if-match", ""]) | st.text(max_size=5),
    TREES
    | st.text(max_size=12)
    | st.sampled_from(["?a=1", digest(b""), f"{digest(b'')}, x=:AA==:", "application/json"]),
    max_size=3,
)


@given(ANY, ANY, ANY | FIELDS, ANY)
def test_any_objects_are_refused_and_nothing_else_leaves(method: Any, target: Any, headers: Any, body: Any) -> None:
    assert issubclass(verdict(Arrival(method=method, target=target, headers=headers, body=body))[0], VerificationError)


@given(FIELDS, st.text(max_size=30) | st.binary(max_size=30))
@example([], "\ud800")
@example([], b"\xff")
def test_any_fields_beside_any_credential_are_refused(fields: Any, credential: str | bytes) -> None:
    headers = [("Authorization", credential), *fields]
    assert issubclass(verdict(posted(headers=headers))[0], VerificationError)


@given(FIELDS)
def test_any_fields_beside_a_genuine_token_meet_the_same_verdict_at_both_faces(fields: Any) -> None:
    found = verdict(posted(fields=(("Content-Type", "application/json"), *fields)))
    assert found[0] is Call or issubclass(found[0], VerificationError)


@settings(max_examples=300)
@given(CLAIMS, MEMBERS, TARGETS)
def test_any_claims_that_were_really_signed_meet_the_same_verdict_at_both_faces(
    claims: Mapping[str, Any], members: Mapping[str, Any], target: str
) -> None:
    found = verdict(posted(claims, members).but(target=target))
    if found[0] is Call:
        assert found[3] in (PATH, f"{PATH}?a=1")


PATHS = st.lists(
    st.sampled_from(
        ["/", "a", ".", "..", "%2e", "%2E", "%2f", "%5C", "%7e", "~", "%41", "%25", "%32", ";", "+", "%C3%A9"]
    ),
    max_size=8,
).map(lambda parts: "/" + "".join(parts))


@settings(max_examples=500)
@given(PATHS, PATHS)
def test_two_paths_pass_for_one_only_if_a_server_reads_them_as_one(signed: str, arrived: str) -> None:
    found = verdict(to(signed, arrived))
    if found[0] is Call:
        # What a server decodes, and what a router would resolve, is the same for both.
        assert decoded(signed) == decoded(arrived)
        assert not {b"", b".", b".."} & set(decoded(arrived).replace(b"\\", b"/").split(b"/")[1:-1])
        assert decoded(arrived).rsplit(b"/", 1)[1] not in (b".", b"..")
    else:
        assert issubclass(found[0], BindingError)


@settings(max_examples=300)
@given(PATHS)
def test_path_passes_for_itself_unless_it_is_ambiguous(path: str) -> None:
    normal = normal_path(path)
    raw, served = to(path), to(path, DecodedTarget(decoded(path), b""))
    assert (verdict(raw)[0] is Call) is not is_ambiguous(normal)
    assert (verdict(served)[0] is Call) is not (is_ambiguous(normal) or has_escaped_separator(normal))


@given(PATHS, st.binary(max_size=12).map(lambda path: b"/" + path))
def test_decoded_path_passes_only_for_a_path_that_decodes_to_it(signed: str, arrived: bytes) -> None:
    found = verdict(to(signed, DecodedTarget(arrived, b"")))
    assert found[0] is not Call or decoded(signed) == arrived


QUERIES = st.text("ab=&%2fF+?;[]|", max_size=10)


@given(QUERIES, QUERIES)
def test_two_queries_pass_for_one_only_if_they_are_one(signed: str, arrived: str) -> None:
    found = verdict(to(PATH, f"{PATH}?{arrived}", f"?{signed}"))
    assert (found[0] is Call) is (signed == arrived)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_two_bodies_pass_for_one_only_if_they_are_one(signed: bytes, arrived: bytes) -> None:
    http = {"content-type": "text/plain", "content-digest": digest(signed)}
    found = verdict(posted({}, http, fields=(("Content-Type", "text/plain"),), body=arrived))
    assert (found[0] is Call) is (signed == arrived)


@settings(max_examples=200)
@given(VALUES)
def test_any_json_value_arrives_equal(data: Any) -> None:
    body = dump(data)
    found = verdict(posted({}, {"content-digest": digest(body)}, body=body))
    assert found[0] is Call
    assert same(found[4], data)


@given(st.binary(max_size=60) | TREES.map(dump))
def test_any_octets_meet_a_verdict_as_json_of_a_model(body: bytes) -> None:
    found = verdict(posted({}, {"content-digest": digest(body)}, body=body), Transfer)
    assert found[0] is Call or found[1] == "payload"


@given(st.text(max_size=40) | st.text('sha-2561=:,; ABab+/"', max_size=60))
def test_any_text_as_a_digest_is_refused(value: str) -> None:
    found = verdict(posted({}, {"content-digest": value}))
    assert found[:2] == (BindingError, "binding")


def test_genuine_token_is_good_for_one_request_only() -> None:
    token = bound()
    assert verdict(posted().but(token=token))[0] is Call
    assert verdict(got().but(token=token))[0] is BindingError
