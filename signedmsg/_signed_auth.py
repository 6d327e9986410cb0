"""The auth plugin behind its two doors: sign each attempt of a request, and say which answers count.

httpx and httpx2 have the same shape and refuse each other's classes. What is here is
written against that shape; a door adds its library's base class and byte stream.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from signedmsg._core.answer_token import RESPONSE_HEADER, RequestRef, SignedResponse
from signedmsg._core.call_policy import (
    DEFAULT_MAX_BODY,
    DEFAULT_SCHEME,
    MAX_HEADER_TOKEN,
    problem_of_max_body,
    problem_of_scheme,
)
from signedmsg._core.compose_request import Bound, Outgoing, bind, call_audience
from signedmsg._core.policy import DEFAULT_LIFETIME, SendPolicy
from signedmsg._core.proof import s256_of
from signedmsg._flows.call_send import sign_call
from signedmsg._flows.run import run
from signedmsg._signed_body import read_answer, read_answer_async, read_request, read_request_async
from signedmsg._signed_call import OutgoingCall, is_short_problem
from signedmsg._signer import (
    AsyncSignerPorts,
    BlockingSignerPorts,
    check_signer,
    never_blocks,
    shown_signer,
    suspends,
)
from signedmsg.errors import AnswerError, SigningError
from signedmsg.signed_answers import AnswerVerifier, AsyncAnswerVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from signedmsg._flows.call_send import Refusal, SignedCall
    from signedmsg._flows.ports import AsyncSigner, Signer

Q = TypeVar("Q")
A = TypeVar("A")

_MAX_ORIGINS: Final = 1024


class SignedCalls(Generic[Q, A]):
    """What both doors share. `Q` and `A` are the library's request and response; a door's docstring says the rest."""

    _byte_stream: ClassVar[type[Any]]

    def __init__(
        self,
        issuer: str,
        key: Signer | AsyncSigner,
        *,
        audience: str | None = None,
        scheme: str = DEFAULT_SCHEME,
        lifetime: int = DEFAULT_LIFETIME,
        max_body: int = DEFAULT_MAX_BODY,
        answers: AnswerVerifier | AsyncAnswerVerifier | None = None,
        require_signed_response: bool = False,
        dangerously_allow_http: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """See the class."""
        if answers is not None and not isinstance(answers, AnswerVerifier | AsyncAnswerVerifier):
            raise TypeError(f"answers: expected an AnswerVerifier, got {type(answers).__name__}")
        self._policy = SendPolicy(issuer, lifetime, MAX_HEADER_TOKEN)
        check_signer(
            key,
            self._policy,
            problem_of_scheme(scheme),
            problem_of_max_body(max_body),
            "answers: to require signed responses, say whose" if require_signed_response and answers is None else None,
        )
        self._audience = None if audience is None else call_audience(audience)
        self._key = key
        self._suspends, self._never_blocks = suspends(key), never_blocks(key)
        self._scheme = scheme
        self._max_body = max_body
        self._answers = answers
        self._require = require_signed_response
        self._allow_http = dangerously_allow_http
        self._clock = clock
        self._blocking = BlockingSignerPorts(key, clock)
        self._suspending = AsyncSignerPorts(key, clock)
        # How many seconds the clock of each origin is ahead of ours, as far as one has told.
        self._offsets: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._policy.issuer!r} {shown_signer(self._key)}>"

    def auth_flow(self, request: Q) -> Generator[Q, A, None]:
        """Sign a request for whoever drives the flow himself; the base class would let it go unsigned."""
        return self.sync_auth_flow(request)

    def sync_auth_flow(self, request: Q) -> Generator[Q, A, None]:
        """Sign a request for a blocking client, which drives this."""
        if self._suspends or self._answers is not None:
            self._refuse_suspending()
        call = OutgoingCall(request, self._scheme)
        bound = self._bind(request, read_request(request, self._byte_stream, self._max_body))
        if self._answers is not None:
            self._expect_signed(request, bound)
        while True:
            signed = run(sign_call(self._blocking, self._policy, bound, self._offset(bound, call)))
            call.sign_with(request, signed, call.once)
            answer: Any = yield request
            call.check_sent_once(request, answer)
            if self._answers is None and not is_short_problem(answer):
                return
            proof = None
            if self._is_signed(bound, answer):
                body = read_answer(answer, self._byte_stream, self._max_body)
                proof = self._verify(bound, signed, answer, body)
            if is_short_problem(answer):
                answer.read()
            if not self._again(call, bound, answer, proof):
                return

    async def async_auth_flow(self, request: Q) -> AsyncGenerator[Q, A]:
        """Sign a request for an async client, which drives this."""
        if not self._never_blocks or self._answers is not None:
            self._refuse_blocking()
        call = OutgoingCall(request, self._scheme)
        bound = self._bind(request, await read_request_async(request, self._byte_stream, self._max_body))
        if self._answers is not None:
            self._expect_signed(request, bound)
        while True:
            signed = await sign_call(self._suspending, self._policy, bound, self._offset(bound, call))
            call.sign_with(request, signed, call.once_async)
            answer: Any = yield request
            call.check_sent_once(request, answer)
            if self._answers is None and not is_short_problem(answer):
                return
            proof = None
            if self._is_signed(bound, answer):
                body = await read_answer_async(answer, self._byte_stream, self._max_body)
                proof = self._verify(bound, signed, answer, body)
                proof = proof if isinstance(proof, SignedResponse) else await proof
            if is_short_problem(answer):
                await answer.aread()
            if not self._again(call, bound, answer, proof):
                return

    def _refuse_suspending(self) -> None:
        if self._suspends:
            raise TypeError("key: an async signer needs an AsyncClient")
        if isinstance(self._answers, AsyncAnswerVerifier):
            raise TypeError("answers: an AsyncAnswerVerifier needs an AsyncClient")

    def _refuse_blocking(self) -> None:
        if not self._never_blocks:
            raise TypeError(
                f"key: {self._key!r} may block the event loop; give it an `async def sign`, "
                'or say `waits = "never"` if it does no I/O'
            )
        if self._answers is not None and self._answers.waits == "blocks":
            raise TypeError("answers: it may block the event loop; an AsyncClient needs an AsyncAnswerVerifier")

    def _bind(self, request: Any, body: bytes) -> Bound:
        if "target" in request.extensions:
            raise SigningError("the extension 'target' sends another path than the URL's, which is the one signed")
        url = request.url
        userinfo = url.userinfo
        user = f"{userinfo.decode('ascii')}@" if userinfo else ""
        origin = f"{url.scheme}://{user}{url.netloc.decode('ascii')}"
        outgoing = Outgoing(request.method, origin, url.raw_path, request.headers.raw, body)
        return bind(outgoing, audience=self._audience, allow_http=self._allow_http)

    def _offset(self, bound: Bound, call: OutgoingCall) -> float:
        return self._offsets.get(bound.origin, 0.0) if call.offset is None else call.offset

    def _learn(self, call: OutgoingCall, bound: Bound, refusal: Refusal | None, *, proven: bool) -> None:
        """Take from an answer how far the receiver's clock is ahead: for this call, or for the later ones as well."""
        if refusal is not None:
            call.offset = refusal.offset
        # Where signed answers are required, a word that nobody signed serves this call's other attempt only, and lasts
        # if what comes of that is signed. Or else whoever writes one 401 had every later token dated as he likes.
        if call.offset is not None and (proven if self._require else refusal is not None):
            if len(self._offsets) >= _MAX_ORIGINS:
                self._offsets.clear()
            self._offsets[bound.origin] = call.offset

    def _again(self, call: OutgoingCall, bound: Bound, answer: Any, proof: SignedResponse | None) -> bool:
        """Return whether to sign anew and send once more; never after that second time."""
        refusal = call.judge(bound, answer, self._clock(), proven=proof is not None)
        self._learn(call, bound, refusal, proven=proof is not None)
        if refusal is not None and refusal.sign_anew and call.attempts < 2:
            return True
        if proof is not None:
            answer.extensions["signedmsg"] = proof
        elif self._require:
            raise AnswerError(
                f"answered {answer.status_code}, and that is not signed",
                status=answer.status_code,
                code="unsigned_answer",
            )
        return False

    def _expect_signed(self, request: Any, bound: Bound) -> None:
        """Ask for an answer whose signature can be verified; without an issuer to verify it, do not ask at all."""
        if self._is_pinned(bound):
            # What is signed is the content as it is sent, and nothing signs how it is coded.
            request.headers["accept-encoding"] = "identity"
        elif self._require:
            raise SigningError(f"answers: no issuer is named for {bound.audience}, so no answer of it would count")

    def _is_pinned(self, bound: Bound) -> bool:
        return self._answers is not None and self._answers.answerer(bound.audience) is not None

    def _is_signed(self, bound: Bound, answer: Any) -> bool:
        return self._answers is not None and RESPONSE_HEADER in answer.headers and self._is_pinned(bound)

    def _verify(self, bound: Bound, signed: SignedCall, answer: Any, body: bytes) -> Any:
        assert self._answers is not None  # noqa: S101 - see _is_signed
        signing_input = signed.token.rpartition(".")[0].encode("ascii")
        request = RequestRef(self._policy.issuer, bound.audience, signed.jti, s256_of(signing_input))
        return self._answers.verify_response(request, answer.status_code, answer.headers.multi_items(), body)
