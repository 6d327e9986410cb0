"""Each token leaves once: redirects, retries below the signature, clocks that differ, and signed answers."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import httpx_retries
import pytest

from signedmsg import DeliveryError, Issuer, JWKSet, KeyDirectory, SigningError, SigningKey
from signedmsg._core.answers import Answer, answer_call_error, answer_code
from signedmsg.errors import AnswerError, ClaimError, ReplayedError
from signedmsg.httpx import SignedAuth
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier, RequestRef

from .server import ISSUER, KEY, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg import Call

    from .faces import Face
    from .server import Arrived, CallServer

SHOP = "https://shop.example"
SHOP_KEY = SigningKey.generate()
NOW = 1_800_000_000.0


def redirect(status: int, location: str = "/v1/elsewhere") -> Callable[[Arrived], Answer]:
    return lambda _: Answer(status, (("Location", location),), b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_that_would_send_the_token_again_is_stopped_before_it(
    face: Face, server: CallServer, method: str, status: int
) -> None:
    server.scripts = [redirect(status)]
    with pytest.raises(DeliveryError, match="redirect") as caught:
        face.call(method, server.origin + "/v1", auth=face.auth(), follow_redirects=True)
    assert (caught.value.outcome, len(server.arrived)) == ("refused", 1)


def test_redirect_to_the_same_path_of_another_host_is_called_a_redirect(face: Face, server: CallServer) -> None:
    server.scripts = [redirect(308, server.origin.replace("127.0.0.1", "localhost") + "/v1")]
    with pytest.raises(DeliveryError, match="redirect") as caught:
        face.call("GET", server.origin + "/v1", auth=face.auth(), follow_redirects=True)
    assert (caught.value.outcome, len(server.arrived)) == ("refused", 1)


def test_redirect_is_returned_to_a_caller_who_does_not_follow(face: Face, server: CallServer) -> None:
    server.scripts = [redirect(307)]
    answer = face.call("GET", server.origin + "/v1", auth=face.auth())
    assert (answer.status_code, len(server.arrived)) == (307, 1)
    assert "authorization" not in answer.next_request.headers


def test_request_of_a_redirect_is_signed_for_its_own_url_when_the_caller_sends_it(
    face: Face, server: CallServer
) -> None:
    server.scripts = [redirect(307)]

    def work(client: Any) -> Any:
        if face.backend is None:
            return client.send(client.get(server.origin + "/v1").next_request)
        return follow(client, server.origin + "/v1")

    assert face.run(work, face.auth()).json()["path"] == "/v1/elsewhere"


async def follow(client: Any, url: str) -> Any:
    return await client.send((await client.get(url)).next_request)


def test_redirect_followed_by_a_transport_that_tells_nothing_is_found_out(face: Face) -> None:
    def answer(request: Any) -> Any:
        return (302, {"location": "/v2"}, b"") if request.url.path == "/v1" else (200, {}, b"")

    with pytest.raises(DeliveryError, match="redirect"):
        face.call("GET", SHOP + "/v1", auth=face.auth(), transport=face.transport(answer), follow_redirects=True)


def unavailable(_: Arrived) -> Answer:
    return answer_code("unavailable", retry_after=1)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "async"])
def test_retry_below_the_signature_is_stopped_before_it(server: CallServer, asynchronous: bool) -> None:
    from .faces import FACES

    face = FACES[asynchronous]
    server.scripts = [lambda _: Answer(503, (), b"")]
    retry = httpx_retries.Retry(total=3, backoff_factor=0)
    transport = httpx_retries.RetryTransport(retry=retry)
    with pytest.raises(DeliveryError, match="same token again") as caught:
        face.call("GET", server.origin + "/v1", auth=face.auth(), transport=transport)
    assert (caught.value.outcome, len(server.arrived)) == ("unknown", 1)
    assert "retry above" in str(caught.value.hint)


def test_connection_that_could_not_be_made_may_be_tried_again_below(server: CallServer) -> None:
    class Flaky(httpx.BaseTransport):
        def __init__(self) -> None:
            self.inner = httpx.HTTPTransport()
            self.failed = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if not self.failed:
                self.failed = True
                raise httpx.ConnectError("refused")
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    transport = httpx_retries.RetryTransport(Flaky(), retry=httpx_retries.Retry(total=1, backoff_factor=0))
    auth = SignedAuth(ISSUER, KEY, dangerously_allow_http=True)
    with httpx.Client(auth=auth, transport=transport) as client:
        assert client.get(server.origin + "/v1").status_code == 200


def test_answer_replayed_says_that_the_outcome_is_unknown(face: Face, server: CallServer) -> None:
    server.scripts = [lambda _: answer_call_error(ReplayedError(), NOW, "Bearer")]
    with pytest.raises(DeliveryError, match="replayed") as caught:
        face.call("GET", server.origin + "/v1", auth=face.auth())
    error = caught.value
    assert (error.outcome, error.status, error.reply_code, len(server.arrived)) == ("unknown", 409, "replayed", 1)


def test_conflict_of_somebody_else_is_an_answer(face: Face, server: CallServer) -> None:
    document = b'{"type":"https://other.example/e","code":"replayed"}'
    server.scripts = [lambda _: Answer(409, (("Content-Type", "application/problem+json"),), document)]
    assert face.call("GET", server.origin + "/v1", auth=face.auth()).status_code == 409


def test_trace_of_the_caller_still_sees_everything(face: Face, server: CallServer) -> None:
    events: list[str] = []

    def trace(event: str, info: object) -> None:
        events.append(event)

    async def atrace(event: str, info: object) -> None:
        events.append(event)

    extensions = {"trace": trace if face.backend is None else atrace}
    assert face.call("GET", server.origin + "/v1", auth=face.auth(), extensions=extensions).status_code == 200
    assert "http11.send_request_headers.started" in events


def clocks(server: CallServer, ahead: float) -> Any:
    """Set the server's clock, and return the caller's."""
    server.reset(clock=lambda: NOW + ahead)
    return lambda: NOW


@pytest.mark.parametrize("ahead", [-290, 100])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_call_is_signed_anew_once_by_the_receivers_clock(
    face: Face, server: CallServer, method: str, ahead: float
) -> None:
    auth = face.auth(clock=clocks(server, ahead))
    assert face.call(method, server.origin + "/v1", auth=auth).status_code == 200
    first, second = (arrived.token for arrived in server.arrived)
    assert first != second


def test_body_is_sent_again_with_the_new_token(face: Face, server: CallServer) -> None:
    auth = face.auth(clock=clocks(server, 100))
    body = face.stream([b"a", b"b"])
    answer = face.call("PUT", server.origin + "/v1", auth=auth, content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 200
    assert [arrived.body for arrived in server.arrived] == [b"ab", b"ab"]


def test_clock_of_an_origin_is_remembered_and_of_no_other(face: Face, server: CallServer) -> None:
    auth = face.auth(clock=clocks(server, 200))
    for _ in range(2):
        assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 200
    assert len(server.arrived) == 3
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return 204, {}, b""

    face.call("GET", SHOP, auth=auth, transport=face.transport(answer))
    assert issued_at(seen[0].headers["authorization"]) == NOW


def issued_at(credential: str) -> int:
    import jwt

    told = jwt.decode(credential.partition(" ")[2], options={"verify_signature": False})
    return int(told["iat"])


@pytest.mark.parametrize("ahead", [-400, 400])
def test_clock_that_is_too_far_off_is_not_followed(face: Face, server: CallServer, ahead: float) -> None:
    auth = face.auth(clock=clocks(server, ahead))
    for _ in range(2):
        assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 401
    assert len(server.arrived) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_call_that_may_do_harm_twice_is_not_sent_twice_and_the_next_one_succeeds(
    face: Face, server: CallServer, method: str
) -> None:
    auth = face.auth(clock=clocks(server, 100))
    assert face.call(method, server.origin + "/v1", auth=auth, json=1).status_code == 401
    assert len(server.arrived) == 1
    assert face.call(method, server.origin + "/v1", auth=auth, json=1).status_code == 200


def test_idempotency_key_lets_a_post_be_sent_again(face: Face, server: CallServer) -> None:
    auth = face.auth(clock=clocks(server, 100))
    answer = face.call("POST", server.origin + "/v1", auth=auth, json=1, headers={"idempotency-key": "k"})
    assert (answer.status_code, len(server.arrived)) == (200, 2)


def expired(now: object) -> Callable[[Arrived], Answer]:
    def answer(_: Arrived) -> Answer:
        problem = answer_call_error(ClaimError(claim="exp", reason="over", code="expired"), NOW, "Bearer")
        document = {**json.loads(problem.body), "now": now}
        return problem._replace(body=json.dumps(document).encode())

    return answer


def test_answer_to_head_has_no_body_to_learn_from(face: Face, server: CallServer) -> None:
    auth = face.auth(clock=clocks(server, 100))
    assert face.call("HEAD", server.origin + "/v1", auth=auth).status_code == 401
    assert len(server.arrived) == 1


def test_call_is_signed_anew_no_more_than_once(face: Face, server: CallServer) -> None:
    server.scripts = [expired(int(NOW)), expired(int(NOW)), expired(int(NOW))]
    answer = face.call("GET", server.origin + "/v1", auth=face.auth(clock=lambda: NOW))
    assert (answer.status_code, len(server.arrived)) == (401, 2)


@pytest.mark.parametrize("now", [None, "1800000000", 1.8e9, True, [], 10**400, -1])
def test_nonsense_for_a_time_is_not_followed(face: Face, server: CallServer, now: object) -> None:
    server.scripts = [expired(now)]
    answer = face.call("GET", server.origin + "/v1", auth=face.auth(clock=lambda: NOW))
    assert (answer.status_code, answer.json()["code"], len(server.arrived)) == (401, "expired", 1)


WRONG_PROBLEMS: dict[str, Callable[[Answer], Answer]] = {
    "another type of answer": lambda problem: problem._replace(headers=(("Content-Type", "application/json"),)),
    "another status": lambda problem: problem._replace(status=403),
    "somebody else's": lambda problem: problem._replace(body=problem.body.replace(b"signedmsg.example", b"x.example")),
    "a coding": lambda problem: problem._replace(headers=(*problem.headers, ("Content-Encoding", "identity"))),
    "no json": lambda problem: problem._replace(body=problem.body[:-1]),
    "a member twice": lambda problem: problem._replace(body=problem.body[:-1] + b',"now":1800000000}'),
    "too long": lambda problem: problem._replace(body=problem.body + b" " * 70_000),
}


@pytest.mark.parametrize("kind", WRONG_PROBLEMS)
def test_what_is_no_problem_of_ours_is_only_an_answer(face: Face, server: CallServer, kind: str) -> None:
    problem = WRONG_PROBLEMS[kind](expired(int(NOW))(None))  # type: ignore[arg-type]
    server.scripts = [lambda _: problem]
    answer = face.call("GET", server.origin + "/v1", auth=face.auth(clock=lambda: NOW))
    assert (answer.status_code, answer.content, len(server.arrived)) == (problem.status, problem.body, 1)


def test_threads_share_one_plugin(server: CallServer) -> None:
    statuses: list[int] = []
    auth = SignedAuth(ISSUER, KEY, dangerously_allow_http=True)
    with httpx.Client(auth=auth) as client:

        def work() -> None:
            statuses.extend(client.get(server.origin + "/v1").status_code for _ in range(10))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 40


def verifier(**options: Any) -> AnswerVerifier:
    directory = KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)))
    return AnswerVerifier(directory, issuer=SHOP, **options)


def signed(call: Call[Any], request: Arrived) -> Answer:
    plain = told(call, request)
    content_type = dict(plain.headers)["Content-Type"]
    body = b"" if request.method == "HEAD" else plain.body
    field = AnswerSigner(SHOP, SHOP_KEY).sign_response(call, plain.status, content_type, body)
    return plain._replace(headers=(*plain.headers, field))


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_signed_answer_is_verified_and_can_still_be_read(face: Face, server: CallServer, method: str) -> None:
    server.after = signed
    auth = face.auth(answers=verifier(), require_signed_response=True)
    answer = face.call(method, server.origin + "/v1", auth=auth)
    proof = answer.extensions["signedmsg"]
    assert (proof.issuer, proof.status, proof.audience) == (SHOP, 200, ISSUER)
    assert answer.elapsed.total_seconds() > 0
    assert method == "HEAD" or answer.json()["path"] == "/v1"


def test_signed_answer_that_is_streamed_can_still_be_streamed(face: Face, server: CallServer) -> None:
    server.after = signed

    def work(client: Any) -> Any:
        return (streamed if face.backend is None else streamed_async)(client, server.origin + "/v1")

    body, proof = face.run(work, face.auth(answers=verifier(), require_signed_response=True))
    assert json.loads(body)["path"] == "/v1"
    assert proof.content_digest.startswith("sha-256=:")


def streamed(client: Any, url: str) -> Any:
    with client.stream("GET", url) as answer:
        return b"".join(answer.iter_bytes(7)), answer.extensions["signedmsg"]


async def streamed_async(client: Any, url: str) -> Any:
    async with client.stream("GET", url) as answer:
        return b"".join([chunk async for chunk in answer.aiter_bytes(7)]), answer.extensions["signedmsg"]


TAMPERED: dict[str, Callable[[Answer], Answer]] = {
    "status": lambda answer: answer._replace(status=201),
    "body": lambda answer: answer._replace(body=answer.body + b" "),
    "type": lambda answer: answer._replace(headers=(("Content-Type", "text/plain"), *answer.headers[1:])),
    "coding": lambda answer: answer._replace(headers=(*answer.headers, ("Content-Encoding", "gzip"))),
}


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("part", TAMPERED)
def test_signed_answer_that_was_changed_is_refused(face: Face, server: CallServer, part: str, required: bool) -> None:
    server.after = lambda call, request: TAMPERED[part](signed(call, request))
    auth = face.auth(answers=verifier(), require_signed_response=required)
    with pytest.raises(AnswerError) as caught:
        face.call("GET", server.origin + "/v1", auth=auth)
    assert caught.value.code == "wrong_answer"


def test_answer_to_another_call_is_refused(face: Face, server: CallServer) -> None:
    kept: list[Answer] = []

    def swapped(call: Call[Any], request: Arrived) -> Answer:
        kept.append(signed(call, request))
        return kept[0]

    server.after = swapped
    auth = face.auth(answers=verifier(), require_signed_response=True)
    assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 200
    with pytest.raises(AnswerError):
        face.call("GET", server.origin + "/v1", auth=auth)


def test_unsigned_answer_is_refused_only_where_a_signed_one_is_required(face: Face, server: CallServer) -> None:
    assert face.call("GET", server.origin + "/v1", auth=face.auth(answers=verifier())).status_code == 200
    with pytest.raises(AnswerError) as caught:
        face.call("GET", server.origin + "/v1", auth=face.auth(answers=verifier(), require_signed_response=True))
    assert (caught.value.code, caught.value.status) == ("unsigned_answer", 200)


def test_answer_that_is_to_be_verified_is_asked_for_without_a_coding(face: Face, server: CallServer) -> None:
    for auth in (face.auth(), face.auth(answers=verifier())):
        face.call("GET", server.origin + "/v1", auth=auth)
    asked = [{name.lower(): value for name, value in arrived.headers}["accept-encoding"] for arrived in server.arrived]
    assert "gzip" in asked[0]
    assert asked[1] == "identity"


def test_call_to_somebody_whose_answers_would_not_count_is_not_sent(face: Face, server: CallServer) -> None:
    directory = KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)))
    elsewhere = AnswerVerifier(directory, issuer={"https://other.example": SHOP})
    with pytest.raises(SigningError, match="no issuer is named"):
        face.call("GET", server.origin + "/v1", auth=face.auth(answers=elsewhere, require_signed_response=True))
    assert server.arrived == []


def test_signed_refusal_lets_any_call_be_sent_again(face: Face, server: CallServer) -> None:
    def refuse(request: Arrived) -> Answer:
        answer = expired(int(NOW))(request)
        reference = reference_to(request)
        field = AnswerSigner(SHOP, SHOP_KEY, clock=lambda: NOW).sign_response(
            reference, 401, "application/problem+json", answer.body
        )
        return answer._replace(headers=(*answer.headers, field))

    server.reset(clock=lambda: NOW)
    server.scripts = [refuse]
    auth = face.auth(answers=verifier(clock=lambda: NOW), clock=lambda: NOW)
    answer = face.call("POST", server.origin + "/v1", auth=auth, json=1)
    assert (answer.status_code, len(server.arrived)) == (200, 2)


def reference_to(request: Arrived) -> RequestRef:
    from signedmsg._core.answer_token import reference_to as reference

    return reference(request.token)


def test_answer_too_long_to_verify_is_refused(face: Face, server: CallServer) -> None:
    server.after = lambda call, request: signed(call, request)._replace(body=b"x" * 2000)
    auth = face.auth(answers=verifier(), max_body=1000)
    with pytest.raises(AnswerError, match="more than 1000 bytes"):
        face.call("GET", server.origin + "/v1", auth=auth)
