"""Sign answers, and verify those that come: the same steps on either face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from signedmsg._core.answer_token import Answered, compose_receipt, compose_response
from signedmsg._core.answer_token_http import read_fields
from signedmsg._core.answer_token_verify import (
    accept_receipt,
    accept_response,
    check_receipt,
    parse_receipt,
    parse_response,
)
from signedmsg._core.compose import Attempt
from signedmsg._flows.send import check_key_window, seal
from signedmsg.errors import AnswerError, UnavailableError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from signedmsg._core.answer_token import Receipt, ReceiptOutcome, RequestRef, SignedResponse
    from signedmsg._core.answer_token_verify import AnswerVerifyPolicy
    from signedmsg._core.policy import SendPolicy, Trust
    from signedmsg._flows.send import SignPorts
    from signedmsg._jose.jwk import PublicKey


class AnswerPorts(Protocol):
    """What verifying an answer needs from the world; see `ReceivePorts`."""

    def now(self) -> float: ...
    def trusted(self, issuer: str) -> Trust: ...
    async def find(self, issuer: str, kid: str) -> PublicKey: ...


async def sign_receipt(ports: SignPorts, policy: SendPolicy, request: RequestRef, outcome: ReceiptOutcome) -> str:
    """Return a receipt for one message.

    Raises:
        SigningError: the key may not be used now, its signer failed, or this is no message.
    """

    def compose(attempt: Attempt, alg: str, kid: str) -> bytes:
        return compose_receipt(policy, request, outcome, attempt, alg=alg, kid=kid)

    return await _signed(ports, policy, compose)


async def sign_response(ports: SignPorts, policy: SendPolicy, request: RequestRef, answered: Answered) -> str:
    """Return a bound response for the answer to one call.

    Raises:
        SigningError: the key may not be used now, its signer failed, or HTTP has no such answer.
    """

    def compose(attempt: Attempt, alg: str, kid: str) -> bytes:
        return compose_response(policy, request, answered, attempt, alg=alg, kid=kid)

    return await _signed(ports, policy, compose)


async def _signed(ports: SignPorts, policy: SendPolicy, compose: Callable[[Attempt, str, str], bytes]) -> str:
    signer = ports.signer()
    now = ports.now()
    check_key_window(signer, policy, now)
    signing_input = compose(Attempt(ports.new_jti(), now), signer.alg, signer.kid)
    return await seal(ports, policy, signer, signing_input)


async def read_receipt(
    ports: AnswerPorts,
    policy: AnswerVerifyPolicy,
    token: str | bytes,
    answerers: Container[str],
    request: RequestRef | None,
    *,
    stored: bool = False,
) -> Receipt:
    """Return a verified receipt, and compare it with its request where that is given.

    Raises:
        VerificationError: it is no receipt of an answerer expected here, or is about another request.
        UnavailableError: the key directory could not answer.
    """
    parsed = parse_receipt(token, answerers)
    trust = ports.trusted(parsed.issuer)
    key = await ports.find(parsed.issuer, parsed.compact.header.kid)
    receipt = accept_receipt(parsed, key, trust, policy, token=_text(token), now=ports.now(), stored=stored)
    return receipt if request is None else check_receipt(receipt, request)


async def read_response(
    ports: AnswerPorts,
    policy: AnswerVerifyPolicy,
    token: str,
    answerers: Container[str],
    *,
    request: RequestRef,
    answered: Answered,
) -> SignedResponse:
    """Return a verified bound response.

    Raises:
        VerificationError: an answerer expected here did not sign this very answer to this very request.
        UnavailableError: the key directory could not answer.
    """
    parsed = parse_response(token, answerers)
    trust = ports.trusted(parsed.issuer)
    key = await ports.find(parsed.issuer, parsed.compact.header.kid)
    return accept_response(parsed, key, trust, policy, token=token, request=request, answered=answered, now=ports.now())


async def check_response(
    ports: AnswerPorts,
    policy: AnswerVerifyPolicy,
    answerers: Container[str],
    request: RequestRef,
    *,
    status: int,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    body: bytes,
) -> SignedResponse:
    """Return the verified bound response of an HTTP answer.

    Raises:
        AnswerError: there is none, it is not for this answer and this request, or it cannot be verified now.
    """
    try:
        token, content_type = read_fields(headers)
        if token is None:
            raise AnswerError("the answer is not signed", code="unsigned_answer", status=status)
        answered = Answered(status, content_type, body)
        return await read_response(ports, policy, token, answerers, request=request, answered=answered)
    except VerificationError as error:
        raise AnswerError(f"not the answer to this call: {error}", status=status, hint=error.hint) from error
    except UnavailableError as error:
        said = f"the answer cannot be verified now: {error}"
        raise AnswerError(said, code="unverified_answer", status=status, hint=error.hint) from error


def _text(token: str | bytes) -> str:
    # It was parsed, so it is ASCII.
    return token if isinstance(token, str) else token.decode("ascii")
