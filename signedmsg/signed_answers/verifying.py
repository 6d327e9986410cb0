"""AnswerVerifier and AsyncAnswerVerifier: verify what one's own requests are answered; two faces over one flow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from signedmsg._core.answer_token import (
    Receipt,
    RequestRef,
    SignedResponse,
    reference_to,
)
from signedmsg._core.answer_token_verify import AnswerVerifyPolicy
from signedmsg._core.compose_request import call_audience
from signedmsg._core.policy import DEFAULT_LEEWAY, check, problem_of_issuer
from signedmsg._core.urls import normal_audience
from signedmsg._flows.answers import check_response, read_receipt
from signedmsg._flows.run import run
from signedmsg.errors import UnknownIssuerError
from signedmsg.signed_answers.ports import VerifyPorts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory

D = TypeVar("D", bound="KeyDirectory | AsyncKeyDirectory")


class _AnswerVerifier(Generic[D]):
    """What both faces share: whose answers count where, and with which keys."""

    _suspends: bool

    def __init__(
        self,
        directory: D,
        *,
        issuer: str | Mapping[str, str],
        leeway: float = DEFAULT_LEEWAY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = AnswerVerifyPolicy(leeway)
        self._pinned = _pinned(issuer)
        self._anywhere = issuer if isinstance(issuer, str) else None
        self.issuers = frozenset({issuer} if isinstance(issuer, str) else self._pinned.values())
        self._check_directory(directory)
        self._ports = VerifyPorts(directory, clock)

    def _check_directory(self, directory: D) -> None:
        if isinstance(directory, type) or not callable(getattr(directory, "find", None)):
            raise TypeError(f"directory: expected a KeyDirectory, got {type(directory).__name__}")
        if directory.waits not in (("never", "suspends") if self._suspends else ("never", "blocks")):
            raise TypeError(f"directory: a {type(directory).__name__} does not fit {type(self).__name__}")
        for issuer in sorted(self.issuers):
            try:
                directory.trusted(issuer)
            except UnknownIssuerError:
                raise ValueError(f"issuer: the directory has no Issuer {issuer!r}") from None

    def answerer(self, audience: str) -> str | None:
        """Return whose signed answers count for requests to this audience, or None when nobody's do."""
        return self._anywhere or self._pinned.get(audience)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(sorted(self.issuers))}>"

    def _answerers(self, request: RequestRef) -> frozenset[str]:
        pinned = self.answerer(request.audience)
        return frozenset() if pinned is None else frozenset({pinned})


def _pinned(issuer: str | Mapping[str, str]) -> dict[str, str]:
    """Return the issuers of a mapping by audience; its keys are URLs as people write them."""
    if isinstance(issuer, str):
        check((problem_of_issuer(issuer),))
        return {}
    if not isinstance(issuer, Mapping) or not issuer:
        raise TypeError("issuer: expected the answerer's issuer, or a mapping from audience to issuer")
    check(problem_of_issuer(one) for one in issuer.values())
    pinned: dict[str, str] = {}
    for audience, one in issuer.items():
        for written in {normal_audience(audience), call_audience(audience)}:
            if pinned.setdefault(written, one) != one:
                raise ValueError(f"issuer: {written} stands twice, with different issuers")
    return pinned


def _beside(request: RequestRef | str | bytes | None, receipt: Receipt) -> Receipt:
    """Return the receipt together with the text of the request that it was compared with."""
    if request is None or isinstance(request, RequestRef):
        return receipt
    return replace(receipt, request_token=request if isinstance(request, str) else request.decode("ascii"))


class AnswerVerifier(_AnswerVerifier["KeyDirectory"]):
    """Verifies signed answers to one's own requests; blocking, and safe to use from many threads.

    Give it to a `Sender` or a `SignedAuth` as `answers`. With a directory of fixed sets it
    never waits, and fits the async faces too.

    Args:
        directory: the keys of those who answer. What an `Issuer` may send (`allow`) does not
            matter for answers, and may be nothing.
        issuer: whose signature counts: one issuer for whatever is sent, or a mapping from the
            audience of the request (the URL of an endpoint, the origin of calls) to its issuer.
            That the directory trusts others too does not make their answers count.
        leeway: how far clocks may differ, in seconds, at most 60.
        clock: the time in Unix seconds.

    Raises:
        TypeError, ValueError: the configuration is wrong; an issuer that the directory does not know.
    """

    _suspends = False

    @property
    def waits(self) -> Literal["never", "blocks"]:
        """`never` when the directory's sets are fixed, so that an async face may use it too."""
        return self._ports.waits

    def verify_receipt(self, token: str | bytes, request: RequestRef | str | bytes) -> Receipt:
        """Return the verified receipt of a request that was just sent.

        Raises:
            VerificationError: the endpoint's own issuer did not sign it for this request.
            UnavailableError: the key directory cannot answer now.
        """
        reference = reference_to(request)
        read = read_receipt(self._ports, self.policy, token, self._answerers(reference), reference)
        return _beside(request, run(read))

    def verify_stored_receipt(self, token: str | bytes, request: RequestRef | str | bytes | None = None) -> Receipt:
        """Return a verified receipt that was kept: it is judged at the time at which it was signed.

        That it has expired since does not matter; its key must have been valid then, and must
        still be in the directory and not revoked.

        Args:
            token: the receipt.
            request: the request token that it is to answer; without it, compare `request_jti`
                and `request_s256` yourself.

        Raises:
            VerificationError: none of the pinned issuers signed it, or it answers another request.
            UnavailableError: the key directory cannot answer now.
        """
        reference = None if request is None else reference_to(request)
        return _beside(
            request, run(read_receipt(self._ports, self.policy, token, self.issuers, reference, stored=True))
        )

    def verify_response(
        self, request: RequestRef, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes
    ) -> SignedResponse:
        """Return the verified bound response of a call that was just made.

        Args:
            request: which call.
            status: the HTTP status that came.
            headers: the header fields that came, names in any case.
            body: the whole content that came.

        Raises:
            AnswerError: it is not signed, is not the answer to this call, or cannot be verified now.
        """
        answerers = self._answerers(request)
        return run(
            check_response(self._ports, self.policy, answerers, request, status=status, headers=headers, body=body)
        )


class AsyncAnswerVerifier(_AnswerVerifier["AsyncKeyDirectory | KeyDirectory"]):
    """The async twin of `AnswerVerifier`, for a directory that suspends; see there for the arguments."""

    _suspends = True
    waits: Literal["suspends"] = "suspends"

    async def verify_receipt(self, token: str | bytes, request: RequestRef | str | bytes) -> Receipt:
        """See `AnswerVerifier.verify_receipt`."""
        reference = reference_to(request)
        answerers = self._answerers(reference)
        return _beside(request, await read_receipt(self._ports, self.policy, token, answerers, reference))

    async def verify_stored_receipt(
        self, token: str | bytes, request: RequestRef | str | bytes | None = None
    ) -> Receipt:
        """See `AnswerVerifier.verify_stored_receipt`."""
        reference = None if request is None else reference_to(request)
        return _beside(
            request, await read_receipt(self._ports, self.policy, token, self.issuers, reference, stored=True)
        )

    async def verify_response(
        self, request: RequestRef, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes
    ) -> SignedResponse:
        """See `AnswerVerifier.verify_response`."""
        answerers = self._answerers(request)
        return await check_response(
            self._ports, self.policy, answerers, request, status=status, headers=headers, body=body
        )


def check_verifier(answers: object, *, suspends: bool) -> None:
    """Refuse what is no verifier, or one that this face cannot wait for; None is fine.

    Raises:
        TypeError: which of the two it is.
    """
    if answers is None or (suspends and isinstance(answers, AsyncAnswerVerifier)):
        return
    if not isinstance(answers, AnswerVerifier | AsyncAnswerVerifier):
        raise TypeError(f"answers: expected an AnswerVerifier, got {type(answers).__name__}")
    if suspends and answers.waits != "never":
        raise TypeError("answers: it may block the event loop; use an AsyncAnswerVerifier")
    if not suspends and isinstance(answers, AsyncAnswerVerifier):
        raise TypeError("answers: an AsyncAnswerVerifier fits the async faces alone")
