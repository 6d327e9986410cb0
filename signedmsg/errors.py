"""Every exception of the package, in one tree.

```
SignedMessageError
├─ VerificationError        it was refused; the sender's fault            .code .hint .explanation
│   ├─ CredentialsMissingError  a call without a token
│   ├─ MalformedTokenError      not a token of this profile at all
│   │   └─ TooLargeError        refused for its size, before any decoding
│   ├─ UnsupportedTokenError    a token, but of a kind, algorithm or version not accepted here
│   ├─ UnknownIssuerError       no such issuer is trusted
│   ├─ UnknownKeyError          the issuer has no such key, or it is not valid now
│   ├─ InvalidSignatureError
│   ├─ ClaimError               a claim breaks a rule                     .claim .reason
│   ├─ BindingError             the request is not the one that was signed .component .reason
│   ├─ NotAllowedError          this issuer may not send this here
│   ├─ UnknownTypeError         no handler for this message type
│   ├─ PayloadError             the data does not fit the model           .errors
│   ├─ QuotaError               this issuer's share of a store is full    .retry_after
│   ├─ ConflictError            the message id stands for other content here
│   ├─ RejectedError            a handler rejected the message for good   .reason
│   └─ ReplayedError            this very token was here before
├─ UnavailableError         we could not decide; our fault; retry later   .retry_after
│   ├─ KeyDirectoryError
│   ├─ StoreError
│   ├─ InProgressError          the same message is being handled now
│   ├─ DeferredError            the handler asked to be given it later
│   └─ LeaseLostError           the lease was over: another holder may have the message
├─ HandlerError             the message was good; its handler failed
├─ SigningError             nothing was signed, nothing was sent          .path
├─ DeliveryError            sent, and not (known to be) accepted          .outcome .status
├─ AnswerError              a call was answered, and the answer does not count .status
├─ KeyRingError             a key ring that cannot be used, or a change it refuses .wait
└─ InvalidKeyError          a key or key set that must not be used; also a ValueError
```

A handler raises `Reject` or `RetryLater` to say what is to become of a message; these two
are no errors of the package, and nothing else ever raises them.

`code` is stable API: one word per way to fail, listed in the reference with what
to do about it. A peer is shown only `public_code`, never the text of an error.
No message holds a token, a payload or a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_REASON = re.compile(r"[a-z0-9_.-]{1,64}", re.ASCII)

DeliveryOutcome = Literal["sign_anew", "retry", "refused", "dead", "unknown"]


class SignedMessageError(Exception):
    """The base of every error this package raises.

    Attributes:
        code: one stable word that says what went wrong.
        hint: a sentence that may help whoever operates this side, or `None`.
        request: which request it was about (a `RequestRef`), where an answer to it may be signed; else `None`.
        explanation: the longer story: see there.
    """

    # A slot, so that neither a pickle nor a reporter of exceptions takes along the request that is in it.
    __slots__ = ("_facts",)

    code: str = "error"
    hint: str | None
    request: object = None

    def __init__(self, message: str = "", *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.hint = hint
        self._facts: _Facts | str | None = None

    @property
    def public_code(self) -> str:
        """The code that a peer may see."""
        return self.code

    @property
    def explanation(self) -> str:
        """What differs and what to do about it, in sentences, for whoever operates this side: never for the peer.

        Worked out when it is first asked for, without I/O; of a token that nobody has proven it looks
        at no more than a header and a name. It names parts of a request (a path, an
        audience, names of parameters and members), never a token, a payload's values or a query's.
        """
        if self._facts is not None and not isinstance(self._facts, str):
            # What was worked out replaces the request that it was worked out from.
            self._facts = self._facts.explain(self)
        return self._facts or self.plainly()

    def plainly(self) -> str:
        """Return the text and the hint in one line."""
        return f"{self}" + (f" ({self.hint})" if self.hint else "")

    def explained_by(self, facts: _Facts) -> None:
        """Keep what an explanation can be worked out from; the package's own business."""
        self._facts = facts


class _Facts(Protocol):
    """What is known of a refusal besides its error."""

    def explain(self, error: SignedMessageError, /) -> str:
        """Return the explanation; it never raises."""
        ...


class VerificationError(SignedMessageError):
    """The message was refused. It is the sender's fault; retrying the same token is futile."""

    code = "refused"


class CredentialsMissingError(VerificationError):
    """The request has no credential of the configured scheme."""

    code = "credentials_missing"


class MalformedTokenError(VerificationError):
    """The input is not a compact JWS of this profile: shape, base64url, JSON or header; or no well-formed request."""

    code = "malformed"


class TooLargeError(MalformedTokenError):
    """The input is larger than the configured cap; nothing in it was decoded.

    `code` is `too_large`, or `body_too_large` for the body of a call.
    """

    code = "too_large"

    @property
    def public_code(self) -> str:
        return "too_large"


class UnsupportedTokenError(VerificationError):
    """A well-formed token whose kind, algorithm, header or version is not accepted here."""

    code = "unsupported"


class _AuthenticationError(VerificationError):
    """What a stranger must not be able to tell apart: one public code for all of them."""

    @property
    def public_code(self) -> str:
        return "verification_failed"


class UnknownIssuerError(_AuthenticationError):
    """The issuer is not configured as trusted. No I/O was done for it."""

    code = "unknown_issuer"


class UnknownKeyError(_AuthenticationError):
    """The issuer has no usable key of that kid.

    `code` is `unknown_key`, or `key_not_valid` when the key is there but outside its
    own `nbf`/`exp`, or revoked.
    """

    code = "unknown_key"


class InvalidSignatureError(_AuthenticationError):
    """The signature does not verify under the issuer's key."""

    code = "invalid_signature"


class ClaimError(VerificationError):
    """A claim of a genuine token breaks a rule.

    `code` is `claim`, `expired`, `not_yet_valid`, `lifetime`, `audience` or `too_late`.

    Attributes:
        claim: the name of the claim, such as `exp` or `msg.type`.
        reason: what is wrong with it.
    """

    code = "claim"
    claim: str
    reason: str

    def __init__(
        self, message: str = "", *, claim: str = "", reason: str = "", code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or f"{claim}: {reason}", code=code, hint=hint)
        self.claim = claim
        self.reason = reason


class BindingError(VerificationError):
    """A genuine token was signed for another HTTP message than the one that came with it.

    Attributes:
        component: what differs: `htm`, `htu`, or a component name of RFC 9421 such as `@query`,
            `content-digest` or `content-type`. It may be the signer's own text.
        reason: what is wrong with it.
    """

    code = "binding"
    component: str
    reason: str

    def __init__(
        self,
        message: str = "",
        *,
        component: str = "",
        reason: str = "",
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        # The name of an unknown component is the signer's own, and this text goes into a log.
        shown = component if component.isprintable() else repr(component)
        super().__init__(message or f"{shown}: {reason}", code=code, hint=hint)
        self.component = component
        self.reason = reason


class NotAllowedError(VerificationError):
    """The issuer is known and the token genuine, but it may not send this here."""

    code = "not_allowed"


class UnknownTypeError(VerificationError):
    """No handler is registered for this message type, and there is no fallback."""

    code = "unknown_type"


class PayloadError(VerificationError):
    """The data does not fit the model.

    `code` is `payload`, or `unsupported_media_type` when the body of a call is of a type that no model reads.

    Attributes:
        errors: pairs of a JSON Pointer (RFC 6901) into the data and what is wrong
            there; never the values themselves.
    """

    code = "payload"
    errors: tuple[tuple[str, str], ...]

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.errors = tuple(errors)

    def plainly(self) -> str:
        """Return the text, where the data is wrong (the names there are the sender's, so as `repr`), and the hint."""
        where = "".join(f"; {path!r}: {what}" for path, what in self.errors[:3])
        return f"{self}{where}" + (f" ({self.hint})" if self.hint else "")


class QuotaError(VerificationError):
    """This issuer's share of a store is full: it sent more than its quota of live ids.

    Attributes:
        retry_after: seconds after which some of the share will be free again.
    """

    code = "quota"
    retry_after: float

    def __init__(
        self, message: str = "", *, retry_after: float = 60.0, code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after = retry_after


class ReplayedError(VerificationError):
    """This very token was accepted before."""

    code = "replayed"


class ConflictError(VerificationError):
    """The inbox knows this message id with other content: it was used twice."""

    code = "message_id_conflict"


class RejectedError(VerificationError):
    """A handler rejected the message for good, now or when it came first.

    Attributes:
        reason: the word that the handler gave to `Reject`; the sender is told.
    """

    code = "rejected"
    reason: str

    def __init__(
        self, message: str = "", *, reason: str = "rejected", code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.reason = reason


class UnavailableError(SignedMessageError):
    """It could not be decided whether the message is good. Our fault; the handler did not run.

    Attributes:
        retry_after: seconds after which trying again makes sense.
    """

    code = "unavailable"
    retry_after: float

    def __init__(
        self, message: str = "", *, retry_after: float = 1.0, code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after = retry_after

    @property
    def public_code(self) -> str:
        return "unavailable"


class KeyDirectoryError(UnavailableError):
    """The issuer's keys could not be read, so nothing is known about this kid."""

    code = "key_unavailable"


class StoreError(UnavailableError):
    """The replay cache cannot answer, is full, or lost what it knew."""

    code = "store_unavailable"


class InProgressError(UnavailableError):
    """The same message is being handled now, by another process or thread."""

    code = "in_progress"

    @property
    def public_code(self) -> str:
        return "in_progress"


class DeferredError(UnavailableError):
    """The handler raised `RetryLater`: the message is good and is to be sent again later."""

    code = "deferred"

    @property
    def public_code(self) -> str:
        return "deferred"


class LeaseLostError(UnavailableError):
    """The lease was over before the work was: another holder may have the message by now."""

    code = "lease_lost"

    @property
    def public_code(self) -> str:
        return "in_progress"


class HandlerError(SignedMessageError):
    """The message was verified, and its handler raised: see `__cause__`. Or it spoilt the transaction it was given."""

    code = "handler_error"
    # Whether an observer was told already; the package's own business.
    told = False


class SigningError(SignedMessageError):
    """The message cannot be signed faithfully. Nothing was signed and nothing was sent.

    Attributes:
        path: where in the data the fault lies, as a JSON Pointer (RFC 6901), or `""`.
    """

    code = "signing"
    path: str

    def __init__(self, message: str = "", *, path: str = "", code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.path = path


class DeliveryError(SignedMessageError):
    """The message was signed and, unless `attempts` is 0, sent; it is not known to be accepted.

    `code` is `delivery`; or, where signed answers are asked for, `unsigned_answer`, `wrong_answer`
    or `unverified_answer`: see `AnswerError`.

    Attributes:
        outcome: what the answer means for this message: `sign_anew` (this token is of no
            more use, the message is); `retry` (later; also where no connection was free in
            time, so that nothing was sent: then `attempts` is 0); `refused` (not accepted now: keys
            or permissions may still be on their way, so retry a bounded number of
            times); `dead` (the receiver will never take it); `unknown` (no answer, or none that
            counts: it may or may not have arrived).
        status: the HTTP status of the answer, or None when there was none.
        reply_code: the receiver's own error code, or None.
        retry_after: seconds the receiver asks to wait (1 to 3600), or None.
        attempts: how many times the message was sent: 0 or 1.
    """

    code = "delivery"
    outcome: DeliveryOutcome
    status: int | None
    reply_code: str | None
    retry_after: float | None
    attempts: int

    def __init__(
        self,
        message: str = "",
        *,
        outcome: DeliveryOutcome = "unknown",
        status: int | None = None,
        reply_code: str | None = None,
        retry_after: float | None = None,
        attempts: int = 1,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.outcome = outcome
        self.status = status
        self.reply_code = reply_code
        self.retry_after = retry_after
        self.attempts = attempts

    @property
    def retryable(self) -> bool:
        """Whether sending the same message again, signed anew, may succeed."""
        return self.outcome != "dead"


class AnswerError(SignedMessageError):
    """A call was sent, and what came back does not count as its answer. What came of the call is not known.

    `code` is `unsigned_answer` (a signed one was required), `wrong_answer` (the signature is not
    the answerer's, or is about another request or another answer: see `__cause__`), or
    `unverified_answer` (its key could not be looked up now).

    Attributes:
        status: the HTTP status that came; nothing proves it.
    """

    code = "wrong_answer"
    status: int | None

    def __init__(
        self, message: str = "", *, status: int | None = None, code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status


class KeyRingError(SignedMessageError):
    """A key ring cannot be read or written, or refuses a change; it is as it was before.

    `code` is `key_ring`, or `key_ring_wait` when the same change is safe after `wait` seconds.

    Attributes:
        wait: in how many seconds the change is safe, or None when no waiting helps.
    """

    code = "key_ring"
    wait: float | None

    def __init__(
        self, message: str = "", *, code: str | None = None, hint: str | None = None, wait: float | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.wait = wait


class InvalidKeyError(SignedMessageError, ValueError):
    """A key, or a set of keys, that must not be used: weak, private, duplicate or contradictory."""

    code = "invalid_key"


class Reject(Exception):  # noqa: N818 - what a handler says, not what went wrong here
    """Raised by a handler: this message can never be processed; the sender is told not to try again.

    Args:
        reason: one word for why, told to the sender and kept: 1 to 64 characters of `[a-z0-9_.-]`.
    """

    def __init__(self, reason: str = "rejected") -> None:
        if not isinstance(reason, str) or not _REASON.fullmatch(reason):
            raise ValueError("reason: expected 1 to 64 characters of [a-z0-9_.-]")
        super().__init__(reason)
        self.reason = reason


class RetryLater(Exception):  # noqa: N818 - likewise
    """Raised by a handler: not now; the sender, or the queue, is to try again after so many seconds (at least 1)."""

    def __init__(self, seconds: float = 60.0) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 86_400:
            raise ValueError("seconds: expected 1 to 86400")
        super().__init__(f"{seconds:g} s")
        self.seconds = float(seconds)
